"""Events about payments, and a resource that loads payments from a stand-in for upstream."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from coordinator.core import resource
from coordinator.core.resource import Loaded, Resource
from coordinator.ledger.models import Change
from coordinator.ledger.queries import may_seed, standings_of
from coordinator.ledger.recording import Event, Observation, Recorded, record_change
from coordinator.payments import states
from coordinator.payments.models import Payment
from coordinator.payments.resource import list_changed
from tests.support.upstream import OWNER, Upstream

_ids = itertools.count(1)


def moment(seconds: float) -> datetime:
    """Return a time so many seconds after one that all tests share."""
    return datetime.fromtimestamp(1_700_000_000 + seconds, UTC)


def event(
    status: str = "processing",
    *,
    at: float | None = None,
    number: str | None = "EDX-1",
    upstream_id: str | None = None,
    event_id: str | None = None,
    expected_revision: int | None = None,
    correlation_id: str = "",
    **content: object,
) -> Event:
    """Return an event by which a payment is in `status`; `at` is in seconds, see `moment`."""
    return Event(
        event_id=event_id or f"evt_{next(_ids)}",
        event_type=f"payment_intent.{status}",
        number=number,
        upstream_id=upstream_id or f"pi_{number}",
        occurred_at=None if at is None else moment(at),
        content={
            "provider": "test",
            "lms_user_id": OWNER,
            "amount": 1000,
            "currency": "usd",
            "intent_status": status,
            **content,
        },
        expected_revision=expected_revision,
        correlation_id=correlation_id,
    )


def record(status: str = "processing", **details: object) -> Recorded:
    """Record the `event` that these arguments make."""
    return record_change(Payment, event(status, **details))  # type: ignore[arg-type]  # by name


def payment(number: str = "EDX-1") -> Payment:
    """Return the payment's row."""
    return Payment.objects.get(number=number)


def change(recorded: Recorded | int) -> Change:
    """Return a change as the log has it now, by what recording it returned or by its id."""
    if isinstance(recorded, int):
        return Change.objects.get(pk=recorded)
    assert recorded.change is not None
    return Change.objects.get(pk=recorded.change.pk)


def saying(status: str, number: str = "EDX-1", at: float | None = None) -> Loaded:
    """Return what upstream says if for it the payment is in `status`."""
    content = {"intent_status": status}
    observation = Observation(f"pi_{number}", content, None if at is None else moment(at))
    payload = f'{{"number":"{number}","state":"{status}"}}'.encode()
    return Loaded(payload, status, OWNER, observation=observation)


@contextmanager
def payments_from(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resource]:
    """Let payments be loaded from `upstream`, and nothing else be registered."""
    payments = Resource(
        name=Payment.resource_name,
        states=states.TABLE.names,
        standings=standings_of(Payment),
        load=upstream.load,
        may_seed=may_seed,
        likely_states=states.LIKELY_STATES,
        list_changed=list_changed,
    )
    with monkeypatch.context() as patched:
        patched.setattr(resource, "_registry", {payments.name: payments})
        yield payments
