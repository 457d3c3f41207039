"""What each of Stripe's event types means here: one table, and the functions it names.

Complete by test against the Stripe library's own list of event types for ``payment_intent.*``,
``charge.*`` and ``refund.*``; docs/events.md shows it to people, held to it by a test as well.
Every other type is about something else and is ignored.

Each function returns the columns of Payment that an object tells, and only those.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from coordinator import WHOLE, Place
from coordinator.payments.providers.base import UnknownStatus
from coordinator.payments.providers.stripe_objects import (
    ChargeObject,
    DisputeObject,
    IntentObject,
    RefundObject,
)
from coordinator.payments.states import (
    CHARGE,
    DISPUTE,
    INTENT,
    INTENT_STATUSES,
    Dispute,
    worst_dispute,
)

Content = dict[str, object]
T = TypeVar("T")

_DISPUTES: Final[Mapping[str, Dispute]] = {
    # An inquiry: the bank only asks. No money has moved, and most end here.
    "warning_needs_response": "",
    "warning_under_review": "",
    "warning_closed": "",
    # Settled before it began.
    "prevented": "",
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
}


def intent_status(intent: IntentObject) -> str:
    """Return the intent's status; raise UnknownStatus for one this release doesn't know."""
    if intent.status not in INTENT_STATUSES:
        raise UnknownStatus("PaymentIntent")
    return intent.status


def dispute_column(disputes: Sequence[DisputeObject]) -> str:
    """Return what all disputes of one payment amount to: an open one counts before a lost one."""
    if not all(dispute.status in _DISPUTES for dispute in disputes):
        raise UnknownStatus("Dispute")
    return worst_dispute(_DISPUTES[dispute.status] for dispute in disputes)


def from_intent(intent: IntentObject) -> Content:
    """Read a PaymentIntent: what is asked for, what came in, and how far it got."""
    return {
        "intent_status": intent_status(intent),
        "amount": intent.amount,
        "amount_received": intent.amount_received,
        "currency": intent.currency,
    }


def from_charge(charge: ChargeObject) -> Content:
    """Read a refunded charge: what of it was given back, in total.

    A charge that gave money back had succeeded: said here too, since the event that told it may
    be late or lost. One that was never captured only released an authorisation, and says nothing.
    """
    if not charge.captured:
        return {}
    return {
        "intent_status": "succeeded",
        "amount": charge.amount,
        "amount_received": charge.amount_captured,
        "amount_refunded": charge.net_refunded(),
        "currency": charge.currency,
    }


def from_dispute(dispute: DisputeObject) -> Content:
    """Read a dispute. Only a payment that succeeded can be disputed: said here too, as above."""
    return {"intent_status": "succeeded", "dispute": dispute_column([dispute])}


def from_refund(_: RefundObject) -> Content:
    """Read a single refund: it tells that a total changed, not which total it is now."""
    return {}


#: Of an intent that is over: Stripe lets none of these become anything else.
_LAST_STATUSES: Final = frozenset({"succeeded", "canceled"})
#: Of a dispute that the bank has decided. An appeal may follow, and never within the same second.
_CLOSED: Final = frozenset({"won", "lost", "warning_closed", "prevented"})


def subject_of(item: IntentObject | ChargeObject | RefundObject | DisputeObject) -> str:
    """Return which upstream object speaks: what it says is late only beside its own last word.

    A refund tells only that a total has changed, and all of it is fetched: the whole speaks.
    """
    match item:
        case IntentObject():
            return f"{INTENT}:{item.id}"
        case ChargeObject():
            return f"{CHARGE}:{item.id}"
        case DisputeObject():
            return f"{DISPUTE}:{item.id}"
    return WHOLE


def place_of(
    item: IntentObject | ChargeObject | RefundObject | DisputeObject, event_type: str = ""
) -> Place:
    """Return where in its object's life this is: what is over in a second came last in it."""
    if event_type in {"payment_intent.created", "charge.dispute.created"}:
        return Place.FIRST
    over = (isinstance(item, IntentObject) and item.status in _LAST_STATUSES) or (
        isinstance(item, DisputeObject) and item.status in _CLOSED
    )
    return Place.LAST if over else Place.BETWEEN


@dataclass(frozen=True, slots=True)
class Handled(Generic[T]):
    """An event type that becomes a change: the object it carries, and what is read from it."""

    carries: type[T]
    read: Callable[[T], Content]
    effect: str
    #: True where the object doesn't tell the new content: it is fetched before it is recorded.
    needs_fetch: bool = False
    #: For updates alone: the fields one of which has to have changed; empty: any field will do.
    served: frozenset[str] = frozenset()

    def matters(self, changed: Collection[str] | None) -> bool:
        """Return False if this is an update, and only of fields that are not served.

        `changed` names the fields that changed. None or an empty one does not tell what changed,
        so such an update matters.
        """
        return not self.served or not changed or not self.served.isdisjoint(changed)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event type that is knowingly ignored, and why."""

    why: str


AnyHandled = (
    Handled[IntentObject] | Handled[ChargeObject] | Handled[RefundObject] | Handled[DisputeObject]
)

_SAID_BY_INTENT = "The PaymentIntent's own event says the same, with its status."


def _intent(effect: str) -> Handled[IntentObject]:
    return Handled(IntentObject, from_intent, effect)


def _dispute(effect: str) -> Handled[DisputeObject]:
    return Handled(DisputeObject, from_dispute, effect)


def _refund(effect: str) -> Handled[RefundObject]:
    return Handled(RefundObject, from_refund, effect, needs_fetch=True)


def _refund_update(effect: str) -> Handled[RefundObject]:
    # Most updates only bring the bank's reference, which is not served: no request for those.
    return replace(_refund(effect), served=frozenset({"amount", "reason", "status"}))


TABLE: Final[Mapping[str, AnyHandled | Skipped]] = {
    "payment_intent.created": _intent("the payment appears, in the intent's status"),
    "payment_intent.requires_action": _intent("requires_action"),
    "payment_intent.processing": _intent("processing"),
    "payment_intent.amount_capturable_updated": _intent("requires_capture"),
    "payment_intent.partially_funded": _intent("amounts; the intent's status as it is"),
    "payment_intent.payment_failed": _intent("requires_payment_method: the customer tries again"),
    "payment_intent.canceled": _intent("canceled"),
    "payment_intent.succeeded": _intent("succeeded"),
    "charge.refunded": Handled(
        ChargeObject, from_charge, "partially_refunded or refunded, by the total given back"
    ),
    "charge.refund.updated": _refund_update("if its status changed: fetched, then recorded"),
    "refund.updated": _refund_update("if its status changed: fetched, then recorded"),
    "refund.failed": _refund("the money stays here: fetched, then recorded"),
    "charge.dispute.created": _dispute("disputed; an inquiry changes nothing yet"),
    "charge.dispute.updated": _dispute("disputed, until its status says otherwise"),
    "charge.dispute.funds_withdrawn": _dispute("disputed, until its status says otherwise"),
    "charge.dispute.funds_reinstated": _dispute("as its status says: a win ends it"),
    "charge.dispute.closed": _dispute("dispute_lost; or, if won, the state from before it"),
    "charge.captured": Skipped(_SAID_BY_INTENT),
    "charge.expired": Skipped(_SAID_BY_INTENT),
    "charge.failed": Skipped(_SAID_BY_INTENT),
    "charge.pending": Skipped(_SAID_BY_INTENT),
    "charge.succeeded": Skipped(_SAID_BY_INTENT),
    "charge.updated": Skipped("Descriptions, receipts and the like: nothing that is served."),
    "refund.created": Skipped("charge.refunded says it, with the new total."),
}


def rule_for(event_type: str) -> AnyHandled | Skipped:
    """Return what to do with an event type; one that isn't in the table is about something else."""
    return TABLE.get(event_type, Skipped("Not about a payment."))
