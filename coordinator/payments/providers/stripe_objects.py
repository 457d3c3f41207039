"""The parts of Stripe's objects that are read here, typed: nothing else is ever looked at.

Unknown new fields are ignored, and client secrets and card details are not fields of these
structures, so they are dropped while parsing. What goes into the database is bounded here: lengths,
alphabets, and integers that fit.
"""

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

# Minor units; the largest integer that every JSON reader keeps exact.
Amount = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# Seconds since the epoch, up to the year 9999.
Timestamp = Annotated[int, Meta(ge=0, le=253_402_300_799)]
ObjectId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_]{1,255}\Z")]
EventType = Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,100}\Z")]
Currency = Annotated[str, Meta(pattern=r"\A[a-z]{3}\Z")]
# Stripe's metadata: strings of up to 500 characters under keys of up to 40.
Metadata = dict[str, str]

T = TypeVar("T")


class Reference(msgspec.Struct, frozen=True):
    """An expanded object of which only the id matters."""

    id: ObjectId


Expandable = ObjectId | Reference


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    data: tuple[T, ...] = ()
    has_more: bool = False


class RefundObject(msgspec.Struct, frozen=True):
    """A refund. Its `status` is null for the ones from before Stripe had it."""

    id: ObjectId
    amount: Amount
    created: Timestamp
    status: str | None = None
    reason: str | None = None
    payment_intent: Expandable | None = None


class DisputeObject(msgspec.Struct, frozen=True):
    """A dispute, or an inquiry that may become one."""

    id: ObjectId
    amount: Amount
    created: Timestamp
    status: str
    reason: str | None = None
    payment_intent: Expandable | None = None


class ChargeObject(msgspec.Struct, frozen=True):
    """A charge: one attempt to collect, and what was given back of it."""

    id: ObjectId
    amount: Amount
    amount_captured: Amount
    amount_refunded: Amount
    currency: Currency
    created: Timestamp
    captured: bool
    refunded: bool
    disputed: bool = False
    metadata: Metadata | None = None
    payment_intent: Expandable | None = None
    refunds: Page[RefundObject] | None = None

    def net_refunded(self) -> int:
        """Return what was given back of what was captured, in minor units.

        Stripe also books as refunded what was authorised and never captured: a canceled
        authorisation in full, a partial capture's remainder in part. That money was never ours.
        Where more was captured than authorised (Stripe's overcapture), nothing was released.
        """
        if not self.captured:
            return 0
        if self.refunded:
            return self.amount_captured
        released = max(0, self.amount - self.amount_captured)
        return max(0, self.amount_refunded - released)


class PaymentError(msgspec.Struct, frozen=True):
    """Why the last attempt failed. Its message is not read: it may quote the customer."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None


class IntentObject(msgspec.Struct, frozen=True):
    """A PaymentIntent, with its latest charge where that was asked for."""

    id: ObjectId
    status: str
    amount: Amount
    amount_received: Amount
    currency: Currency
    created: Timestamp
    livemode: bool
    metadata: Metadata | None = None
    canceled_at: Timestamp | None = None
    cancellation_reason: str | None = None
    last_payment_error: PaymentError | None = None
    latest_charge: ObjectId | ChargeObject | None = None

    def charge(self) -> ChargeObject | None:
        """Return the latest charge if it was expanded."""
        return self.latest_charge if isinstance(self.latest_charge, ChargeObject) else None


class EventData(msgspec.Struct, frozen=True):
    """The object as it was at the time of the event, not parsed yet.

    ``previous_attributes`` are those that an update changed; None where Stripe doesn't say.
    """

    object: msgspec.Raw
    previous_attributes: dict[str, msgspec.Raw] | None = None


class EventObject(msgspec.Struct, frozen=True):
    """A snapshot event."""

    id: ObjectId
    object: Literal["event"]
    type: EventType
    created: Timestamp
    livemode: bool
    data: EventData
    api_version: str | None = None
    account: str | None = None


def moment(timestamp: int) -> datetime:
    """Return Stripe's seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(timestamp, UTC)


def id_of(expandable: Expandable | None) -> str | None:
    """Return the id of what may be an id, an object, or nothing."""
    return expandable.id if isinstance(expandable, Reference) else expandable
