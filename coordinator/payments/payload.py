"""What is served of a payment: a declared structure, encoded once to the bytes that are cached.

Whatever is not named here can't reach the cache: no client secret, no card detail, no address, no
receipt link. Amounts are integers in the currency's minor units, times are UTC. Fields keep the
order in which they are declared, so equal details are equal bytes, and equal bytes one ETag.
Changing this shape means raising ``SCHEMA``: both releases then keep their own entries while a
deploy is under way.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coordinator.payments import states

SCHEMA: Final = 2

Moment = Annotated[datetime, Meta(tz=True)]
PaymentState = Annotated[
    str, Meta(extra_json_schema={"enum": [state.name for state in states.TABLE]})
]


class RefundDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One refund: `amount` in minor units of the payment's currency."""

    id: str
    amount: int
    status: str
    reason: str | None = None
    created_at: Moment | None = None


class DisputeDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One dispute: `status` in the provider's words, `amount` in minor units."""

    id: str
    amount: int
    status: str
    reason: str | None = None
    created_at: Moment | None = None


class FailureDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last attempt to pay failed, as codes alone: messages may quote the customer."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None


class PaymentDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is served of one payment."""

    number: str
    state: PaymentState
    amount: int
    amount_received: int
    amount_refunded: int
    currency: str
    lms_user_id: str
    order_reference: str
    provider: str
    provider_id: str
    provider_status: str
    created_at: Moment | None = None
    updated_at: Moment | None = None
    canceled_at: Moment | None = None
    cancellation_reason: str | None = None
    failure: FailureDetails | None = None
    refunds: tuple[RefundDetails, ...] = ()
    disputes: tuple[DisputeDetails, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(PaymentDetails)


def encode(details: PaymentDetails) -> bytes:
    """Return `details` as the JSON that is stored and sent, untouched, to its readers."""
    return _encoder.encode(details)


def decode(payload: bytes) -> PaymentDetails:
    """Return the details in `payload`, for tools and tests: the request path never needs it."""
    return _decoder.decode(payload)
