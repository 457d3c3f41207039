"""The vocabulary of a payment's life: what a change is, and how every change leaves a payment."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from tools.simulator.errors import StripeError
from tools.simulator.payment import Charge, Payment, Status


class FollowUp(StrEnum):
    """What happens to a payment later without anybody asking for it."""

    FINISH = "finish"
    OPEN_DISPUTE = "open_dispute"
    FINISH_REFUND = "finish_refund"
    FAIL_REFUND = "fail_refund"


class Happening(Struct, frozen=True):
    """An event to be: its type, which object of the payment it shows, and that object's past.

    `before` is the payment that previous_attributes are told from; None for events without.
    """

    type: str
    object_id: str
    before: Payment | None = None


class Transition(Struct, frozen=True):
    """The payment after what happened, the events about it, and what comes by itself."""

    payment: Payment
    happenings: tuple[Happening, ...] = ()
    follow_up: FollowUp | None = None


def touched(payment: Payment, now: float, status: Status | None = None) -> Payment:
    """Return the payment one version on, as every change leaves it, never updated in the past."""
    return replace(
        payment,
        status=status or payment.status,
        version=payment.version + 1,
        updated_at=max(now, payment.updated_at),
    )


def with_charge(payment: Payment, charge: Charge) -> Payment:
    """Return the payment with its charge of the same identifier replaced by `charge`."""
    charges = tuple(charge if kept.id == charge.id else kept for kept in payment.charges)
    return replace(payment, charges=charges)


def unexpected_state(payment: Payment, action: str) -> StripeError:
    """Return Stripe's refusal of what the payment's status does not allow."""
    return StripeError(
        400,
        "invalid_request_error",
        f"You cannot {action} this PaymentIntent because it has a status of {payment.status}.",
        code="payment_intent_unexpected_state",
    )
