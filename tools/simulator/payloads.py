"""What the provider says of a payment, as JSON objects in the shape of Stripe's own examples.

Each payload is a fixture with what differs from payment to payment filled in. Where a fixture
only shows what a field could look like (`next_action` of a payment that needs none, say), the
field is set to what Stripe would really send: null, for an ordinary payment by card.
"""

from collections.abc import Collection
from typing import Any

from tools.simulator.cards import Card, Course, find_card
from tools.simulator.fixtures import load_fixture
from tools.simulator.identifiers import derive, derive_number
from tools.simulator.payment import Charge, Dispute, Payment, Refund, Status

Payload = dict[str, Any]

#: The version whose shapes these are, as the pinned stripe library has it.
API_VERSION = "2026-10-28.endive"
#: Stripe lists at most so many refunds within a charge; the rest has to be asked for.
REFUNDS_IN_CHARGE = 10

_INTENT = load_fixture("payment_intent") | {
    "livemode": False,
    "next_action": None,
    "payment_method_configuration_details": None,
    "processing": None,
    "shipping": None,
    "transfer_data": None,
}
_CHARGE = load_fixture("charge") | {
    "livemode": False,
    "shipping": None,
    "source": None,
    "transfer_data": None,
}
# Since 2022-11-15 a charge holds its refunds only where the request expands them.
del _CHARGE["refunds"]
_CARD_DETAILS = _CHARGE["payment_method_details"]["card"] | {
    "installments": None,
    "overcapture": None,
    "three_d_secure": None,
    "wallet": None,
}
_REFUND = load_fixture("refund")
_DISPUTE = load_fixture("dispute")
_METHOD = load_fixture("payment_method") | {"metadata": {}}
_SELLER_MESSAGES = {
    "authorized": "Payment complete.",
    "issuer_declined": "The bank did not return any further details with this decline.",
}


def show_intent(payment: Payment, expand: Collection[str] = ()) -> Payload:
    """Return the PaymentIntent; `expand` may hold latest_charge and latest_charge.refunds."""
    charge = payment.latest_charge
    latest: str | Payload | None = charge.id if charge else None
    if charge and "latest_charge" in expand:
        latest = show_charge(payment, charge, _below("latest_charge", expand))
    waiting = payment.status is Status.REQUIRES_ACTION
    return _INTENT | {
        "amount": payment.amount,
        "amount_capturable": payment.amount_capturable,
        "amount_received": payment.amount_received,
        "canceled_at": payment.canceled_at,
        "cancellation_reason": payment.cancellation_reason,
        "capture_method": payment.capture_method,
        "client_secret": client_secret(payment.id),
        "created": payment.created,
        "currency": payment.currency,
        "description": payment.description,
        "id": payment.id,
        "last_payment_error": _last_error(payment),
        "latest_charge": latest,
        "metadata": payment.metadata,
        "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}} if waiting else None,
        "payment_method": payment.method and _method_id(payment.id, payment.method),
        "processing": {"type": "card"} if payment.status is Status.PROCESSING else None,
        "status": payment.status.value,
    }


def show_charge(payment: Payment, charge: Charge, expand: Collection[str] = ()) -> Payload:
    """Return the Charge; `expand` may hold refunds and payment_intent."""
    card = find_card(charge.method)
    refunds: Payload = {}
    if "refunds" in expand:
        refunds["refunds"] = show_refund_list(payment, charge)
    intent = show_intent(payment) if "payment_intent" in expand else payment.id
    receipt = f"https://pay.stripe.com/receipts/payment/{derive('rcpt', charge.id)}"
    return (
        _CHARGE
        | {
            "amount": charge.amount,
            "amount_captured": charge.amount_captured,
            "amount_refunded": charge.amount_refunded,
            "balance_transaction": derive("txn", charge.id) if charge.captured else None,
            "captured": charge.captured,
            "created": charge.created,
            "currency": payment.currency,
            "description": payment.description,
            "disputed": charge.dispute is not None,
            "failure_code": charge.failure and charge.failure.code,
            "failure_message": charge.failure and charge.failure.message,
            "id": charge.id,
            "metadata": charge.metadata,
            "outcome": _outcome(charge),
            "paid": charge.status == "succeeded",
            "payment_intent": intent,
            "payment_method": _method_id(payment.id, charge.method),
            "payment_method_details": {"card": _card_details(payment, card), "type": "card"},
            "receipt_url": receipt if charge.status == "succeeded" else None,
            "refunded": 0 < charge.amount == charge.amount_refunded,
            "status": charge.status,
        }
        | refunds
    )


def show_refund(payment: Payment, charge: Charge, refund: Refund) -> Payload:
    """Return the Refund of a charge of a payment."""
    payload = _REFUND | {
        "amount": refund.amount,
        "balance_transaction": derive("txn", refund.id),
        "charge": charge.id,
        "created": refund.created,
        "currency": payment.currency,
        "destination_details": {"card": _reference(refund), "type": "card"},
        "id": refund.id,
        "metadata": refund.metadata,
        "payment_intent": payment.id,
        "reason": refund.reason,
        "status": refund.status,
    }
    if refund.failure_reason:
        payload["failure_reason"] = refund.failure_reason
        payload["failure_balance_transaction"] = derive("txn", refund.id, "failure")
    return payload


def show_refund_list(payment: Payment, charge: Charge) -> Payload:
    """Return the list that a charge holds of its refunds: the newest, and whether more exist."""
    newest = charge.refunds[::-1][:REFUNDS_IN_CHARGE]
    return {
        "object": "list",
        "data": [show_refund(payment, charge, refund) for refund in newest],
        "has_more": len(charge.refunds) > REFUNDS_IN_CHARGE,
        "url": f"/v1/charges/{charge.id}/refunds",
    }


def show_dispute(payment: Payment, charge: Charge, dispute: Dispute) -> Payload:
    """Return the Dispute of a charge of a payment."""
    details = _DISPUTE["payment_method_details"]
    case_type = "inquiry" if dispute.is_inquiry else "chargeback"
    return _DISPUTE | {
        "amount": dispute.amount,
        "charge": charge.id,
        "created": dispute.created,
        "currency": payment.currency,
        "evidence_details": _DISPUTE["evidence_details"]
        | {
            "due_by": dispute.created + 7 * 24 * 3600,
            "has_evidence": dispute.evidence_submitted > 0,
            "submission_count": dispute.evidence_submitted,
        },
        "id": dispute.id,
        "is_charge_refundable": dispute.is_inquiry,
        "payment_intent": payment.id,
        "payment_method_details": details | {"card": details["card"] | {"case_type": case_type}},
        "reason": dispute.reason,
        "status": dispute.status,
    }


def show_object(payment: Payment, object_id: str) -> Payload:
    """Return whichever object of the payment has this identifier, as an event shows it."""
    match object_id.partition("_")[0]:
        case "pi":
            return show_intent(payment)
        case "ch":
            return show_charge(payment, payment.charge(object_id))
    for charge in payment.charges:
        for refund in charge.refunds:
            if refund.id == object_id:
                return show_refund(payment, charge, refund)
        if charge.dispute is not None and charge.dispute.id == object_id:
            return show_dispute(payment, charge, charge.dispute)
    raise KeyError(object_id)


def client_secret(payment_id: str) -> str:
    """Return the secret that a browser needs for this payment, and no other client may see."""
    return derive(f"{payment_id}_secret", payment_id, "client_secret")


def _below(name: str, expand: Collection[str]) -> list[str]:
    """Return what `expand` asks for within the object called `name`."""
    prefix = f"{name}."
    return [path.removeprefix(prefix) for path in expand if path.startswith(prefix)]


def _last_error(payment: Payment) -> Payload | None:
    """Return why the last attempt failed, with the payment method that was tried."""
    if (failure := payment.failure) is None:
        return None
    error: Payload = {
        "code": failure.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{failure.code.replace('_', '-')}",
        "message": failure.message,
        "type": "invalid_request_error",
    }
    if payment.failed_charge is None:
        return error
    card = find_card(payment.charge(payment.failed_charge).method)
    look = _card_details(payment, card)
    seen = {name: look[name] for name in ("brand", "exp_month", "fingerprint", "last4")}
    method = _METHOD | {
        "card": _METHOD["card"] | seen,
        "created": payment.created,
        "id": _method_id(payment.id, card.method),
    }
    return error | {
        "charge": payment.failed_charge,
        "decline_code": failure.decline_code,
        "payment_method": method,
        "type": "card_error",
    }


def _outcome(charge: Charge) -> Payload | None:
    """Return what the bank's network said to an attempt; None while it has not answered."""
    if charge.status == "pending":
        return None
    declined = charge.failure is not None
    kind = "issuer_declined" if declined else "authorized"
    outcome: Payload = _CHARGE["outcome"]
    return outcome | {
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": charge.failure and (charge.failure.decline_code or charge.failure.code),
        "risk_level": "normal",
        "risk_score": derive_number(60, charge.id, "risk"),
        "seller_message": _SELLER_MESSAGES[kind],
        "type": kind,
    }


def _card_details(payment: Payment, card: Card) -> Payload:
    """Return the card of an attempt; digits that the test card leaves open vary by payment."""
    varied = f"{derive_number(10_000, payment.id, card.brand):04}"
    details: Payload = _CARD_DETAILS | {
        "brand": card.brand,
        "exp_month": 1 + derive_number(12, payment.id, "month"),
        "fingerprint": derive("card", payment.id, card.method)[5:21],
        "last4": card.last4 or varied,
        "network": card.brand,
    }
    if card.course is Course.AUTHENTICATE:
        secure = _CHARGE["payment_method_details"]["card"]["three_d_secure"]
        details["three_d_secure"] = secure | {"result": "authenticated"}
    return details


def _reference(refund: Refund) -> Payload:
    """Return what the customer may tell their bank to find the refund, once it is known."""
    if not refund.reference_known:
        return {"reference_status": "pending", "type": "refund"}
    return {
        "reference": f"{derive_number(10**15, refund.id):015}",
        "reference_status": "available",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }


def _method_id(payment_id: str, method: str) -> str:
    """Return the identifier of the payment method that a test card stands for."""
    return derive("pm", payment_id, method)
