"""The test cards: which one a shopper takes decides how the payment goes.

Names and meanings are Stripe's (https://docs.stripe.com/testing), so that code written against
this simulator behaves alike in Stripe's test mode. The two that go through `processing` are our
own, as Stripe has none for cards.
"""

from enum import Enum

from msgspec import Struct

from tools.simulator.errors import StripeError


class Course(Enum):
    """What the bank makes of a confirmed payment."""

    ACCEPT = "accept"
    DECLINE = "decline"
    AUTHENTICATE = "authenticate"
    PROCESS = "process"
    PROCESS_THEN_DECLINE = "process_then_decline"


class Aftermath(Enum):
    """What a card holds in store for a payment that went through."""

    NOTHING = "nothing"
    DISPUTE = "dispute"
    INQUIRY = "inquiry"
    REFUND_PENDS = "refund_pends"
    REFUND_FAILS = "refund_fails"


class Failure(Struct, frozen=True):
    """Why an attempt to pay failed, in Stripe's words."""

    code: str
    message: str
    decline_code: str | None = None


class Card(Struct, frozen=True):
    """A test card: its look, the course of a payment with it and what comes after."""

    method: str
    brand: str = "visa"
    last4: str | None = None
    course: Course = Course.ACCEPT
    failure: Failure | None = None
    aftermath: Aftermath = Aftermath.NOTHING


AUTHENTICATION_FAILED = Failure(
    "payment_intent_authentication_failure",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data "
    "or a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
)
DECLINED = Failure("card_declined", "Your card was declined.", "generic_decline")


def _declining(method: str, last4: str, failure: Failure) -> Card:
    """Return a visa card whose payments fail at once with `failure`."""
    return Card(method, last4=last4, course=Course.DECLINE, failure=failure)


_CARDS = (
    # Without last4, the digits differ from payment to payment.
    Card("pm_card_visa"),
    Card("pm_card_mastercard", brand="mastercard"),
    Card("pm_card_amex", brand="amex"),
    _declining("pm_card_visa_chargeDeclined", "0002", DECLINED),
    _declining(
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "9995",
        Failure("card_declined", "Your card has insufficient funds.", "insufficient_funds"),
    ),
    _declining(
        "pm_card_chargeDeclinedExpiredCard",
        "0069",
        Failure("expired_card", "Your card has expired.", "expired_card"),
    ),
    _declining(
        "pm_card_chargeDeclinedIncorrectCvc",
        "0127",
        Failure("incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc"),
    ),
    _declining(
        "pm_card_chargeDeclinedProcessingError",
        "0119",
        Failure(
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
            "processing_error",
        ),
    ),
    Card("pm_card_threeDSecure2Required", last4="3220", course=Course.AUTHENTICATE),
    Card("pm_card_createDispute", last4="0259", aftermath=Aftermath.DISPUTE),
    Card("pm_card_createDisputeInquiry", last4="1976", aftermath=Aftermath.INQUIRY),
    Card("pm_card_pendingRefund", last4="7726", aftermath=Aftermath.REFUND_PENDS),
    Card("pm_card_refundFail", last4="5126", aftermath=Aftermath.REFUND_FAILS),
    Card("pm_card_processing", course=Course.PROCESS),
    Card("pm_card_processingDeclined", course=Course.PROCESS_THEN_DECLINE, failure=DECLINED),
)
CARDS = {card.method: card for card in _CARDS}


def find_card(method: str) -> Card:
    """Return the test card named `method`; raise Stripe's 404 for any other payment method."""
    try:
        return CARDS[method]
    except KeyError:
        raise StripeError(
            404,
            "invalid_request_error",
            f"No such PaymentMethod: '{method}'; the simulator knows {', '.join(CARDS)}",
            code="resource_missing",
            param="payment_method",
        ) from None
