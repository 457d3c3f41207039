"""How a payment's state came about: the changes of the log, newest first, late ones included."""

import msgspec

from coordinator import Change
from coordinator.payments.models import Payment
from coordinator.payments.payload import Moment, PaymentState


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event: which revision it made, out of which state, and when.

    `occurred_at` is the provider's clock (null where it tells no time), `recorded_at` ours. An
    event that is not `applied` came too late, for the `reason` given: it changed nothing, and its
    `revision` is the one that stood.
    """

    revision: int
    state: PaymentState
    previous_state: str
    type: str
    applied: bool
    reason: str
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
    """Return up to `limit` revisions below `before`, with all that came late to each, as JSON.

    The provider's event ids are left out.
    """
    changes = Change.objects.filter(resource=Payment.resource_name, identifier=number)
    if before is not None:
        changes = changes.filter(revision__lt=before)
    made = list(
        changes.filter(applied=True)
        .order_by("-revision")
        .values_list("revision", flat=True)[: limit + 1]
    )
    more = len(made) > limit
    if more:
        changes = changes.filter(revision__gte=made[limit - 1])
    rows = changes.order_by("-revision", "-id").values_list(
        *("revision", "state", "previous_state", "event_type"),
        *("applied", "reason", "occurred_at", "recorded_at"),
    )
    events = [
        PaymentEvent(
            revision=revision,
            state=state,
            previous_state=previous,
            type=kind,
            applied=applied,
            # Of what was applied it says how settling goes, which is the operators' business.
            reason="" if applied else reason,
            occurred_at=occurred,
            recorded_at=recorded,
        )
        for revision, state, previous, kind, applied, reason, occurred, recorded in rows
    ]
    return msgspec.json.encode(
        PaymentEvents(number=number, events=events, next_before=made[limit - 1] if more else None)
    )
