"""How a payment's state came about: the applied changes of the log, newest first."""

import msgspec

from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from coordinator.payments.payload import Moment, PaymentState


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change: which revision it made, out of which state, and when.

    `occurred_at` is the provider's clock (null where it tells no time), `recorded_at` ours.
    """

    revision: int
    state: PaymentState
    previous_state: str
    type: str
    occurred_at: Moment | None
    recorded_at: Moment


class PaymentEvents(msgspec.Struct, frozen=True, kw_only=True):
    """One page; `next_before` is what to pass as ``before`` for the next, null on the last."""

    number: str
    events: list[PaymentEvent]
    next_before: int | None


def owner_of(number: str) -> str | None:
    """Return the LMS user id of the payment's owner, None if the ledger doesn't know it."""
    return Payment.objects.filter(number=number).values_list("lms_user_id", flat=True).first()


def page(number: str, *, before: int | None, limit: int) -> bytes:
    """Return up to `limit` changes with a revision below `before`, as JSON.

    Late arrivals are left out: they made no revision. The provider's event ids are too.
    """
    changes = Change.objects.filter(
        resource=Payment.resource_name, identifier=number, applied=True
    ).order_by("-id")
    if before is not None:
        changes = changes.filter(revision__lt=before)
    rows = list(
        changes.values_list(
            "revision", "state", "previous_state", "event_type", "occurred_at", "recorded_at"
        )[: limit + 1]
    )
    events = [
        PaymentEvent(
            revision=revision,
            state=state,
            previous_state=previous,
            type=kind,
            occurred_at=occurred,
            recorded_at=recorded,
        )
        for revision, state, previous, kind, occurred, recorded in rows[:limit]
    ]
    more = len(rows) > limit
    return msgspec.json.encode(
        PaymentEvents(
            number=number, events=events, next_before=events[-1].revision if more else None
        )
    )
