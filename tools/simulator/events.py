"""Stripe's events: made from a transition, kept for a while, shown on demand.

An event holds the payment as it was, not the text that shows it, so that tens of thousands cost
little. What was forgotten is gone, as with Stripe after 30 days.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from tools.simulator.fixtures import load_fixture
from tools.simulator.identifiers import derive
from tools.simulator.payloads import API_VERSION, Payload, show_object
from tools.simulator.payment import Payment
from tools.simulator.transition import Transition

_EVENT = load_fixture("event")


class Cause(Struct, frozen=True):
    """The request that an event comes from; both fields None if it came by itself."""

    request_id: str | None = None
    idempotency_key: str | None = None


class SimulatedEvent(Struct, frozen=True):
    """Something that happened to a payment, at `created` in whole seconds."""

    id: str
    type: str
    created: int
    payment: Payment
    object_id: str
    before: Payment | None
    cause: Cause


def make_events(transition: Transition, cause: Cause) -> list[SimulatedEvent]:
    """Return the events of a transition; the same transition gives the same identifiers."""
    payment = transition.payment
    return [
        SimulatedEvent(
            id=derive("evt", payment.id, payment.version, place),
            type=happening.type,
            created=int(payment.updated_at),
            payment=payment,
            object_id=happening.object_id,
            before=happening.before,
            cause=cause,
        )
        for place, happening in enumerate(transition.happenings)
    ]


def show_event(event: SimulatedEvent) -> Payload:
    """Return the event as Stripe sends it, with the object as it was then."""
    current = show_object(event.payment, event.object_id)
    data: Payload = {"object": current}
    if event.before is not None:
        data["previous_attributes"] = _previous(show_object(event.before, event.object_id), current)
    return _EVENT | {
        "api_version": API_VERSION,
        "created": event.created,
        "data": data,
        "id": event.id,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": event.cause.request_id, "idempotency_key": event.cause.idempotency_key},
        "type": event.type,
    }


class EventLog:
    """The newest events, oldest first, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        """Start empty. `limit` bounds memory: an event costs about a kilobyte at most."""
        self.limit = limit
        self._events: deque[SimulatedEvent] = deque(maxlen=limit)

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self._events)

    def add(self, events: Iterable[SimulatedEvent]) -> None:
        """Keep what just happened, forgetting the oldest."""
        self._events.extend(events)

    def insert(self, events: Iterable[SimulatedEvent]) -> None:
        """Keep what happened some time ago in its place."""
        merged = sorted([*self._events, *events], key=lambda event: event.created)
        self._events = deque(merged, maxlen=self.limit)

    def newest_first(self) -> Iterator[SimulatedEvent]:
        """Go through the events from the newest back."""
        return reversed(self._events)

    def find(self, event_id: str) -> SimulatedEvent | None:
        """Return the event with this identifier, None if it isn't kept."""
        return next((event for event in self.newest_first() if event.id == event_id), None)


def _previous(before: Payload, after: Payload) -> Payload:
    """Return the old values of what differs, going into objects as Stripe does."""
    changed: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if old == value:
            continue
        both = isinstance(old, dict) and isinstance(value, dict)
        changed[name] = _previous(old or {}, value) if both else old
    return changed
