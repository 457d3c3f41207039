"""Turns a webhook from Stripe into a ProviderEvent: signature, then event, then its object.

The signature is checked by Stripe's own library, in constant time and before a byte of the body is
parsed. Nothing here talks to the network or the database.
"""

import time
from collections.abc import Sequence
from functools import partial

import msgspec
import stripe
from django.conf import settings

from coordinator.payments.providers import metadata
from coordinator.payments.providers.base import (
    BadSignature,
    Found,
    Ignored,
    MalformedEvent,
    ProviderEvent,
    ThinEvent,
    WrongMode,
)
from coordinator.payments.providers.stripe_description import describe
from coordinator.payments.providers.stripe_events import (
    AnyHandled,
    Skipped,
    place_of,
    rule_for,
    subject_of,
)
from coordinator.payments.providers.stripe_objects import (
    ChargeObject,
    DisputeObject,
    EventObject,
    Expandable,
    IntentObject,
    ObjectId,
    RefundObject,
    id_of,
    moment,
)

_THIN = "v2.core.event"


class _Kind(msgspec.Struct, frozen=True):
    object: str = ""


class _Identity(msgspec.Struct, frozen=True):
    """As much of an object as every version of Stripe's API agrees on."""

    id: ObjectId
    payment_intent: Expandable | None = None
    # Of any type in another version: only compared.
    status: object = None


_event_decoder = msgspec.json.Decoder(EventObject)
_kind_decoder = msgspec.json.Decoder(_Kind)
_identity_decoder = msgspec.json.Decoder(_Identity)


def verify(body: bytes, header: str, secrets: Sequence[str], tolerance_seconds: int) -> None:
    """Raise BadSignature unless one of `secrets` signed `body` not longer ago than the tolerance.

    Every secret is tried, whether or not an earlier one matched, so that the time taken says
    nothing about which. A timestamp further ahead than the tolerance is refused as well: it would
    keep a captured request usable for longer than the tolerance says.
    """
    try:
        matching = [_signed_by(secret, body, header, tolerance_seconds) for secret in secrets]
        ahead = _timestamp(header) - time.time() > tolerance_seconds
    except ValueError:
        # Not UTF-8, or a header with something else where numbers belong.
        raise BadSignature from None
    if not any(matching) or ahead:
        raise BadSignature


def _signed_by(secret: str, body: bytes, header: str, tolerance_seconds: int) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance_seconds)
    except stripe.SignatureVerificationError:
        # Dropped with its traceback: it carries the body.
        return False
    except TypeError:
        # The library compares signatures as text, and hmac takes ASCII text alone.
        return False
    return True


def _timestamp(header: str) -> int:
    parts = [part.split("=", 1) for part in header.split(",")]
    return next((int(part[1]) for part in parts if part[0] == "t" and len(part) == 2), 0)


def parse(body: bytes) -> ProviderEvent | Ignored:
    """Return the event in a body whose signature is checked, or why it is ignored."""
    event = _decode_event(body)
    if event.livemode != settings.STRIPE_LIVEMODE:
        raise WrongMode
    if event.account is not None:
        # Stripe Connect: money of an account that isn't ours.
        return Ignored("other_account", event.type, event.id)
    return interpret(event)


def interpret(event: EventObject) -> ProviderEvent | Ignored:
    """Return what `event` means here; raise WebhookRefused if it can't be understood."""
    rule = rule_for(event.type)
    if isinstance(rule, Skipped):
        return Ignored("event_type", event.type, event.id)
    if not rule.matters(event.data.previous_attributes):
        return Ignored("says_nothing", event.type, event.id)
    if event.api_version != settings.STRIPE_API_VERSION:
        return _of_another_version(event)
    return _of_this_version(event, rule)


def _decode_event(body: bytes) -> EventObject:
    try:
        return _event_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if _is_thin(body):
            raise ThinEvent from None
        raise MalformedEvent(_where(error)) from None


def _is_thin(body: bytes) -> bool:
    try:
        return _kind_decoder.decode(body).object == _THIN
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _of_this_version(event: EventObject, rule: AnyHandled) -> ProviderEvent | Ignored:
    try:
        # One branch for all: which object it is was decided by the table.
        content_of, item = rule.read, msgspec.json.decode(event.data.object, type=rule.carries)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(_where(error)) from None
    upstream_id = item.id if isinstance(item, IntentObject) else id_of(item.payment_intent)
    if upstream_id is None:
        return Ignored("no_payment_intent", event.type, event.id)
    # A refund's and a dispute's metadata are their own, not the payment's.
    ours = metadata.read(item.metadata) if isinstance(item, IntentObject | ChargeObject) else None
    if isinstance(item, IntentObject) and ours is None:
        return Ignored("not_ours", event.type, event.id)
    content = content_of(item)  # type: ignore[arg-type]  # the table pairs object and function
    if not content and not rule.needs_fetch:
        return Ignored("says_nothing", event.type, event.id)
    if ours is not None:
        content |= {"lms_user_id": ours.owner, "order_reference": ours.order_reference}
    return ProviderEvent(
        event_id=event.id,
        event_type=event.type,
        upstream_id=upstream_id,
        number=None if ours is None else ours.number,
        occurred_at=moment(event.created),
        content=content,
        needs_fetch=rule.needs_fetch,
        subject=subject_of(item),
        place=place_of(item, event.type),
        whole=_whole(item),
        shown_in=partial(_shows, item),
    )


def _whole(item: IntentObject | ChargeObject | RefundObject | DisputeObject) -> Found | None:
    """Return what a read of the payment would say, if the event tells all of it.

    An intent's does, unless money was released: Stripe lists that among the charge's refunds, which
    the intent does not show. Part of an authorisation is released when less is captured, all of it
    when the intent is canceled after an attempt.
    """
    if not isinstance(item, IntentObject):
        return None
    released = item.amount_received != item.amount if item.status == "succeeded" else False
    if released or (item.status == "canceled" and item.latest_charge is not None):
        return None
    return describe(item, (), ())


def _shows(item: IntentObject | ChargeObject | RefundObject | DisputeObject, found: Found) -> bool:
    """Return True if what was read of the payment shows what its event says of `item`."""
    match item:
        case IntentObject():
            return _shows_status(item.status, found)
        case ChargeObject():
            return found.details.amount_refunded >= item.net_refunded()
        case RefundObject():
            status = item.status or "succeeded"
            return any((one.id, one.status) == (item.id, status) for one in found.details.refunds)
        case DisputeObject():
            shown = found.details.disputes
            return any((one.id, one.status) == (item.id, item.status) for one in shown)


def _shows_status(status: object, found: Found) -> bool:
    return not isinstance(status, str) or found.details.provider_status == status


def _of_another_version(event: EventObject) -> ProviderEvent | Ignored:
    """Return an event that only says which payment changed; what it is now gets fetched.

    An object's form is that of the version it was rendered in. During an upgrade of either side,
    and with ``stripe listen``, that isn't ours; ids mean the same in all of them.
    """
    try:
        identity = _identity_decoder.decode(event.data.object)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(_where(error)) from None
    is_intent = event.type.startswith("payment_intent.")
    upstream_id = identity.id if is_intent else id_of(identity.payment_intent)
    if upstream_id is None:
        return Ignored("no_payment_intent", event.type, event.id)
    return ProviderEvent(
        event_id=event.id,
        event_type=event.type,
        upstream_id=upstream_id,
        number=None,
        occurred_at=moment(event.created),
        needs_fetch=True,
        shown_in=partial(_shows_status, identity.status) if is_intent else None,
    )


def _where(error: Exception) -> str:
    """Return which field is wrong, never what was in it."""
    return str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
