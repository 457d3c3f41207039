"""One payment of a plain REST service, in our terms: which field and which status is which of ours.

Settings say so (``COORDINATOR_REST_FIELDS``, ``COORDINATOR_REST_STATUSES``). No network here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec
from django.conf import settings
from msgspec import Meta

from coordinator import InvalidIdentifier, Observation, check_identifier
from coordinator.payments import states
from coordinator.payments.payload import PaymentDetails
from coordinator.payments.providers import metadata
from coordinator.payments.providers.base import (
    Found,
    ProviderEvent,
    UnknownStatus,
    UnusableMetadata,
)
from coordinator.upstream.answers import wrong_field
from coordinator.upstream.errors import UpstreamBadAnswer

NAME: Final = "rest"

_Amount = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# Short enough for an event id that is made of it and a version.
_Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,200}\Z")]
_Currency = Annotated[str, Meta(pattern=r"\A[A-Za-z]{3}\Z")]
_Time = Annotated[datetime, Meta(tz=True)]

#: Our names for the fields, and where a service of this kind has them unless settings say else.
FIELDS: Final[Mapping[str, str]] = {
    "id": "id",
    "number": "number",
    "status": "status",
    "amount": "amount_minor",
    "amount_received": "amount_received_minor",
    "amount_refunded": "amount_refunded_minor",
    "currency": "currency",
    "owner": "owner_id",
    "order_reference": "order_reference",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "version": "version",
}


class RestPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of the service, under our names."""

    id: _Id
    status: str
    amount: _Amount
    currency: _Currency
    version: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    updated_at: _Time
    number: str = ""
    amount_received: _Amount = 0
    amount_refunded: _Amount = 0
    owner: str = ""
    order_reference: str = ""
    created_at: _Time | None = None


def describe(payment: RestPayment) -> Found:
    """Return the payment that the service describes, in our terms."""
    status, owner = _status(payment), metadata.check_owner(payment.owner)
    order = metadata.check_order(payment.order_reference)
    details = PaymentDetails(
        number=payment.number,
        state=states.derive(status, payment.amount_received, payment.amount_refunded, ""),
        amount=payment.amount,
        amount_received=payment.amount_received,
        amount_refunded=payment.amount_refunded,
        currency=payment.currency.lower(),
        lms_user_id=owner,
        order_reference=order,
        provider=NAME,
        provider_id=payment.id,
        provider_status=payment.status,
        created_at=payment.created_at,
    )
    return Found(
        upstream_id=payment.id,
        number=payment.number or None,
        details=details,
        observation=Observation(payment.id, _content(payment), payment.updated_at),
        version=payment.version,
    )


def event_of(payment: RestPayment, event_type: str, *, whole: bool = False) -> ProviderEvent:
    """Return the event that this version of the payment is; `whole` says that it tells all of it.

    Its id is made of payment and version: a webhook and a later listing tell of the same change
    under the same id, and the second of them is a duplicate.
    """
    try:
        number = check_identifier(payment.number) if payment.number else None
    except InvalidIdentifier:
        raise UnusableMetadata from None
    return ProviderEvent(
        event_id=f"rest:{payment.id}:{payment.version}",
        event_type=event_type,
        upstream_id=payment.id,
        number=number,
        occurred_at=payment.updated_at,
        content=_content(payment),
        whole=describe(payment) if whole else None,
    )


def _content(payment: RestPayment) -> dict[str, object]:
    return {
        "intent_status": _status(payment),
        "amount": payment.amount,
        "amount_received": payment.amount_received,
        "amount_refunded": payment.amount_refunded,
        "currency": payment.currency.lower(),
        "lms_user_id": metadata.check_owner(payment.owner),
        "order_reference": metadata.check_order(payment.order_reference),
        "version": payment.version,
    }


def _status(payment: RestPayment) -> str:
    status: str = settings.COORDINATOR_REST_STATUSES.get(payment.status, payment.status)
    if status not in states.TABLE:
        raise UnknownStatus("rest")
    return status


def understand(item: Mapping[str, object]) -> RestPayment:
    """Return the payment in `item` by the mapping of fields; raise UpstreamBadAnswer."""
    known = {ours: item[theirs] for ours in FIELDS if (theirs := field(ours)) in item}
    try:
        return msgspec.convert(known, RestPayment)
    except msgspec.ValidationError as error:
        raise UpstreamBadAnswer(wrong_field(error)) from None


def field(ours: str) -> str:
    """Return the service's name for one of our fields."""
    theirs: str = settings.COORDINATOR_REST_FIELDS.get(ours, FIELDS[ours])
    return theirs
