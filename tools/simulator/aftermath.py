"""What comes after success: refunds and disputes, which live in a payment's latest charge.

Pure, as lifecycle.py is. The PaymentIntent's status stays `succeeded` through all of it.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from tools.simulator.cards import Aftermath, find_card
from tools.simulator.errors import invalid
from tools.simulator.identifiers import derive
from tools.simulator.payment import Charge, Dispute, Payment, Refund, Status
from tools.simulator.transition import (
    FollowUp,
    Happening,
    Transition,
    touched,
    unexpected_state,
    with_charge,
)

#: Refunds of one charge are limited, as they are kept as long as their payment is.
MAX_REFUNDS = 100


def refund(
    payment: Payment,
    now: float,
    amount: int | None = None,
    *,
    reason: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Transition:
    """Give back `amount` minor units, or all that is left."""
    charge = _paid(payment, "refund")
    left = charge.amount_captured - charge.amount_returned
    if charge.dispute is not None and (charge.dispute.is_open or charge.dispute.status == "lost"):
        message = f"Charge {charge.id} has been charged back; cannot issue a refund."
        raise invalid(message, code="charge_disputed")
    if left == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    amount = left if amount is None else amount
    if not 0 < amount <= left or len(charge.refunds) >= MAX_REFUNDS:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, param="amount", code="amount_too_large")
    aftermath = find_card(charge.method).aftermath
    created = Refund(
        id=derive("re", charge.id, len(charge.refunds)),
        amount=amount,
        created=int(now),
        status="pending" if aftermath is Aftermath.REFUND_PENDS else "succeeded",
        reason=reason,
        metadata=metadata or {},
    )
    after = with_charge(touched(payment, now), replace(charge, refunds=(*charge.refunds, created)))
    happenings = (
        Happening("refund.created", created.id),
        Happening("charge.refunded", charge.id, before=payment),
    )
    fails = aftermath is Aftermath.REFUND_FAILS
    return Transition(after, happenings, FollowUp.FAIL_REFUND if fails else FollowUp.FINISH_REFUND)


def finish_refund(payment: Payment, now: float) -> Transition:
    """Let the bank confirm the newest refund that it has not: its reference becomes known."""
    refunds = _paid(payment, "refund").refunds
    waiting = [each for each in refunds if _goes_through_bank(each) and not each.reference_known]
    if not waiting:
        raise invalid("This payment has no refund that the bank has not confirmed.")
    done = replace(waiting[-1], status="succeeded", reference_known=True)
    return _change_refund(payment, now, done, ("refund.updated", "charge.refund.updated"))


def fail_refund(payment: Payment, now: float) -> Transition:
    """Let the bank send the newest refund's money back: it counts as refunded no longer."""
    refunds = [each for each in _paid(payment, "refund").refunds if _goes_through_bank(each)]
    if not refunds:
        raise invalid("This payment has no refund that could fail.")
    failed = replace(refunds[-1], status="failed", failure_reason="expired_or_canceled_card")
    types = ("refund.updated", "refund.failed", "charge.refund.updated")
    return _change_refund(payment, now, failed, types)


def open_dispute(
    payment: Payment, now: float, *, reason: str = "fraudulent", inquiry: bool | None = None
) -> Transition:
    """Let the cardholder complain, by default in the way that the card has in store."""
    charge = _paid(payment, "dispute")
    if charge.dispute is not None:
        raise invalid(f"Charge {charge.id} was disputed already.", code="charge_disputed")
    if inquiry is None:
        inquiry = find_card(charge.method).aftermath is Aftermath.INQUIRY
    dispute = Dispute(
        id=derive("dp", charge.id),
        amount=charge.amount_captured,
        created=int(now),
        status="warning_needs_response" if inquiry else "needs_response",
        reason=reason,
    )
    # An inquiry takes no money, so nothing is withdrawn.
    types = ("created",) if inquiry else ("created", "funds_withdrawn")
    return _set_dispute(payment, now, charge, dispute, types, before=None)


def answer_dispute(payment: Payment, now: float) -> Transition:
    """Hand the bank our evidence; it looks at it from then on."""
    charge, dispute = _disputed(payment)
    status = "warning_under_review" if dispute.is_inquiry else "under_review"
    answered = replace(dispute, status=status, evidence_submitted=dispute.evidence_submitted + 1)
    return _set_dispute(payment, now, charge, answered, ("updated",), before=payment)


def close_dispute(payment: Payment, now: float, *, won: bool) -> Transition:
    """Let the bank decide. An inquiry just ends, whatever the reason."""
    charge, dispute = _disputed(payment)
    if dispute.is_inquiry:
        closed = replace(dispute, status="warning_closed")
        return _set_dispute(payment, now, charge, closed, ("closed",), before=payment)
    closed = replace(dispute, status="won" if won else "lost")
    types = ("funds_reinstated", "closed") if won else ("closed",)
    return _set_dispute(payment, now, charge, closed, types, before=payment)


def _goes_through_bank(refund: Refund) -> bool:
    """Return whether the bank may yet confirm or fail the refund."""
    return refund.counts and not refund.is_release


def _paid(payment: Payment, action: str) -> Charge:
    """Return the charge that was captured, or raise Stripe's refusal."""
    charge = payment.latest_charge
    if charge is None or payment.status is not Status.SUCCEEDED:
        raise unexpected_state(payment, action)
    return charge


def _disputed(payment: Payment) -> tuple[Charge, Dispute]:
    """Return the charge and its open dispute, or raise a refusal."""
    charge = _paid(payment, "decide a dispute of")
    if charge.dispute is None or not charge.dispute.is_open:
        raise invalid(f"Charge {charge.id} has no open dispute.")
    return charge, charge.dispute


def _set_dispute(
    payment: Payment,
    now: float,
    charge: Charge,
    dispute: Dispute,
    types: tuple[str, ...],
    *,
    before: Payment | None,
) -> Transition:
    """Return the payment with `dispute`, and an event charge.dispute.* for each of `types`."""
    return Transition(
        with_charge(touched(payment, now), replace(charge, dispute=dispute)),
        tuple(Happening(f"charge.dispute.{name}", dispute.id, before=before) for name in types),
    )


def _change_refund(
    payment: Payment, now: float, changed: Refund, types: tuple[str, ...]
) -> Transition:
    """Return the payment with its refund of the same identifier replaced, and the `types` told."""
    charge = _paid(payment, "refund")
    refunds = tuple(changed if kept.id == changed.id else kept for kept in charge.refunds)
    return Transition(
        with_charge(touched(payment, now), replace(charge, refunds=refunds)),
        tuple(Happening(name, changed.id, before=payment) for name in types),
    )
