"""One payment, in our terms, out of what Stripe keeps in several objects. No network here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from coordinator import Observation, Said
from coordinator.payments import states
from coordinator.payments.payload import (
    DisputeDetails,
    FailureDetails,
    PaymentDetails,
    RefundDetails,
)
from coordinator.payments.providers import metadata
from coordinator.payments.providers.base import Found
from coordinator.payments.providers.stripe_events import (
    dispute_column,
    from_charge,
    from_dispute,
    from_intent,
    intent_status,
    place_of,
    subject_of,
)
from coordinator.payments.providers.stripe_objects import (
    ChargeObject,
    DisputeObject,
    IntentObject,
    RefundObject,
    moment,
)

NAME: Final = "stripe"


def describe(
    intent: IntentObject, refunds: Sequence[RefundObject], disputes: Sequence[DisputeObject]
) -> Found:
    """Return the payment that these objects of Stripe's describe together."""
    ours = metadata.read(intent.metadata)
    charge = intent.charge()
    amount_refunded = charge.net_refunded() if charge is not None else 0
    status, dispute = intent_status(intent), dispute_column(disputes)
    updated_at = _newest(intent, charge, refunds, disputes)
    details = PaymentDetails(
        number=ours.number if ours else "",
        state=states.derive(status, intent.amount_received, amount_refunded, dispute),
        amount=intent.amount,
        amount_received=intent.amount_received,
        amount_refunded=amount_refunded,
        currency=intent.currency,
        lms_user_id=ours.owner if ours else "",
        order_reference=ours.order_reference if ours else "",
        provider=NAME,
        provider_id=intent.id,
        provider_status=intent.status,
        created_at=moment(intent.created),
        canceled_at=_moment_or_none(intent.canceled_at),
        cancellation_reason=intent.cancellation_reason,
        failure=_failure(intent),
        refunds=tuple(_refund(refund) for refund in sorted(refunds, key=_age)),
        disputes=tuple(_dispute(dispute) for dispute in sorted(disputes, key=_age)),
    )
    content: dict[str, object] = {
        "intent_status": status,
        "amount": intent.amount,
        "amount_received": intent.amount_received,
        "amount_refunded": amount_refunded,
        "currency": intent.currency,
        "dispute": dispute,
        "version": amount_refunded,
        "lms_user_id": details.lms_user_id,
        "order_reference": details.order_reference,
    }
    return Found(
        upstream_id=intent.id,
        number=ours.number if ours else None,
        details=details,
        observation=Observation(
            intent.id, content, updated_at, _subjects(intent, charge, refunds, disputes, ours)
        ),
        version=amount_refunded,
    )


def _subjects(
    intent: IntentObject,
    charge: ChargeObject | None,
    refunds: Sequence[RefundObject],
    disputes: Sequence[DisputeObject],
    ours: metadata.Ours | None,
) -> dict[str, Said]:
    """Return what each of Stripe's objects says, as its own event would."""
    of_intent = from_intent(intent)
    if ours is not None:
        of_intent |= {"lms_user_id": ours.owner, "order_reference": ours.order_reference}
    contents: list[tuple[IntentObject | ChargeObject | DisputeObject, dict[str, object]]]
    contents = [(intent, of_intent)]
    # As an event of it: only a charge of which money went back has one.
    if charge is not None and refunds and (content := from_charge(charge)):
        contents.append((charge, content))
    contents += [(dispute, from_dispute(dispute)) for dispute in disputes]
    return {
        subject_of(item): Said({"provider": NAME, **content}, place_of(item))
        for item, content in contents
    }


def _newest(
    intent: IntentObject,
    charge: ChargeObject | None,
    refunds: Sequence[RefundObject],
    disputes: Sequence[DisputeObject],
) -> datetime:
    """Return when the newest of these came into being: Stripe keeps no time of the last change.

    What happened before it is in what was read, so an event from before it has nothing to add.
    """
    return moment(
        max(
            intent.created,
            intent.canceled_at or 0,
            charge.created if charge else 0,
            *(refund.created for refund in refunds),
            *(dispute.created for dispute in disputes),
        )
    )


def _age(item: RefundObject | DisputeObject) -> tuple[int, str]:
    return (item.created, item.id)


def _moment_or_none(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else moment(timestamp)


def _failure(intent: IntentObject) -> FailureDetails | None:
    error = intent.last_payment_error
    # Stripe keeps the last error after a later attempt has succeeded.
    if error is None or intent.status == "succeeded":
        return None
    return FailureDetails(type=error.type, code=error.code, decline_code=error.decline_code)


def _refund(refund: RefundObject) -> RefundDetails:
    return RefundDetails(
        id=refund.id,
        amount=refund.amount,
        # Null in refunds from before Stripe had a status, all of which went through.
        status=refund.status or "succeeded",
        reason=refund.reason,
        created_at=moment(refund.created),
    )


def _dispute(dispute: DisputeObject) -> DisputeDetails:
    return DisputeDetails(
        id=dispute.id,
        amount=dispute.amount,
        status=dispute.status,
        reason=dispute.reason,
        created_at=moment(dispute.created),
    )
