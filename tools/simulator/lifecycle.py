"""The life of a payment as a state machine: pure, without clock, store or network.

Every function takes a payment and what happens to it, and returns a `Transition`: the payment as
it is afterwards, the events that Stripe sends about it, in Stripe's order, and what the bank will
do of its own accord later. What a status doesn't allow raises `StripeError`, as Stripe refuses it.

    create -> requires_payment_method | requires_confirmation
    confirm: requires_* -> succeeded | requires_capture | processing | requires_action
                         | requires_payment_method (declined; may be tried again)
    authenticate: requires_action -> as confirm | requires_payment_method
    finish: processing -> succeeded | requires_capture | requires_payment_method
    capture: requires_capture -> succeeded
    cancel: anything but processing and succeeded -> canceled

Refunds and disputes leave the status at succeeded and live in the charge: see aftermath.py.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from tools.simulator.cards import (
    AUTHENTICATION_FAILED,
    Aftermath,
    Card,
    Course,
    Failure,
    find_card,
)
from tools.simulator.errors import StripeError
from tools.simulator.identifiers import derive
from tools.simulator.payment import Charge, Payment, Refund, Status
from tools.simulator.transition import (
    FollowUp,
    Happening,
    Transition,
    touched,
    unexpected_state,
    with_charge,
)

#: A payment's attempts are limited, as its charges are kept as long as the payment is.
MAX_ATTEMPTS = 50


_CONFIRMABLE = frozenset(
    {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION}
)
_CANCELABLE = _CONFIRMABLE | {Status.REQUIRES_CAPTURE}


def create(
    payment_id: str,
    amount: int,
    currency: str,
    now: float,
    *,
    metadata: Mapping[str, str],
    capture_method: str = "automatic",
    description: str | None = None,
    method: str | None = None,
) -> Transition:
    """Return a new payment; with a payment `method` it only needs to be confirmed."""
    if method is not None:
        find_card(method)
    payment = Payment(
        id=payment_id,
        amount=amount,
        currency=currency,
        created_at=now,
        updated_at=now,
        metadata=metadata,
        status=Status.REQUIRES_CONFIRMATION if method else Status.REQUIRES_PAYMENT_METHOD,
        capture_method=capture_method,
        description=description,
        method=method,
    )
    return Transition(payment, (Happening("payment_intent.created", payment_id),))


def update(
    payment: Payment,
    now: float,
    *,
    metadata: Mapping[str, str] | None = None,
    method: str | None = None,
    description: str | None = None,
) -> Transition:
    """Change what is written on a payment, or attach a payment method. Stripe sends no event."""
    changed = payment
    if method is not None:
        _require(payment, _CONFIRMABLE, "update")
        find_card(method)
        changed = replace(changed, method=method, status=Status.REQUIRES_CONFIRMATION)
    if metadata is not None:
        merged = {**payment.metadata, **metadata}
        # An empty value removes its key, as with Stripe.
        changed = replace(changed, metadata={k: v for k, v in merged.items() if v != ""})
    if description is not None:
        changed = replace(changed, description=description)
    return Transition(touched(changed, now))


def confirm(payment: Payment, now: float, *, method: str | None = None) -> Transition:
    """Try to pay. A decline is no error here: look at the status that comes back."""
    _require(payment, _CONFIRMABLE, "confirm")
    if (method := method or payment.method) is None:
        raise StripeError(
            400,
            "invalid_request_error",
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    if len(payment.charges) >= MAX_ATTEMPTS:
        raise unexpected_state(payment, "confirm again, after so many attempts,")
    card = find_card(method)
    payment = replace(payment, method=method, failure=None, failed_charge=None)
    match card.course:
        case Course.AUTHENTICATE:
            payment = touched(payment, now, Status.REQUIRES_ACTION)
            return Transition(payment, (Happening("payment_intent.requires_action", payment.id),))
        case Course.PROCESS | Course.PROCESS_THEN_DECLINE:
            return _process(payment, now, card)
        case Course.DECLINE:
            return _decline(payment, _attempt(payment, now, card, "failed"), now, card.failure)
        case Course.ACCEPT:
            return _accept(payment, _attempt(payment, now, card, "succeeded"), now, card)


def authenticate(payment: Payment, now: float, *, passed: bool = True) -> Transition:
    """Let the customer answer the bank's question: `passed` pays, the rest starts over."""
    _require(payment, frozenset({Status.REQUIRES_ACTION}), "authenticate")
    if passed:
        card = find_card(payment.method or "")
        return _accept(payment, _attempt(payment, now, card, "succeeded"), now, card)
    return _fail(payment, now, AUTHENTICATION_FAILED)


def finish(payment: Payment, now: float, *, accepted: bool | None = None) -> Transition:
    """Let the bank end its processing: as the card has it, or as `accepted` says."""
    _require(payment, frozenset({Status.PROCESSING}), "finish")
    pending, card = payment.charges[-1], find_card(payment.method or "")
    payment = replace(payment, charges=payment.charges[:-1])
    if accepted is None:
        accepted = card.course is not Course.PROCESS_THEN_DECLINE
    if accepted:
        return _accept(payment, replace(pending, status="succeeded"), now, card)
    return _decline(payment, replace(pending, status="failed"), now, card.failure)


def capture(payment: Payment, now: float, amount: int | None = None) -> Transition:
    """Take the authorized money, or `amount` of it; the rest is released."""
    _require(payment, frozenset({Status.REQUIRES_CAPTURE}), "capture")
    amount = payment.amount if amount is None else amount
    if not 0 < amount <= payment.amount:
        raise StripeError(
            400,
            "invalid_request_error",
            "The amount_to_capture must be above 0 and at most the amount that was authorized.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = replace(payment.charges[-1], captured=True, amount_captured=amount)
    if amount < payment.amount:
        charge = _released(charge, payment.amount - amount, now)
    after = with_charge(touched(payment, now, Status.SUCCEEDED), charge)
    return Transition(
        after,
        (
            Happening("charge.captured", charge.id, before=payment),
            Happening("payment_intent.succeeded", payment.id),
        ),
    )


def cancel(payment: Payment, now: float, reason: str | None = None) -> Transition:
    """Give the payment up. An authorization is released, which Stripe shows as a refund."""
    _require(payment, _CANCELABLE, "cancel")
    after = replace(
        touched(payment, now, Status.CANCELED), canceled_at=int(now), cancellation_reason=reason
    )
    canceled = Happening("payment_intent.canceled", payment.id)
    if payment.status is not Status.REQUIRES_CAPTURE:
        return Transition(after, (canceled,))
    charge = _released(payment.charges[-1], payment.amount, now)
    after = with_charge(after, charge)
    return Transition(after, (Happening("charge.refunded", charge.id, before=payment), canceled))


def _require(payment: Payment, allowed: frozenset[Status], action: str) -> None:
    """Raise Stripe's refusal unless the payment's status is one of the `allowed`."""
    if payment.status not in allowed:
        raise unexpected_state(payment, action)


def _attempt(payment: Payment, now: float, card: Card, status: str) -> Charge:
    """Return a new charge. It gets the PaymentIntent's metadata as they are now, as with Stripe."""
    return Charge(
        id=derive("ch", payment.id, len(payment.charges)),
        amount=payment.amount,
        created=int(now),
        status=status,
        method=card.method,
        metadata=payment.metadata,
    )


def _released(charge: Charge, amount: int, now: float) -> Charge:
    """Return the charge with authorized money let go, which Stripe books as a refund."""
    release = Refund(derive("re", charge.id, 0), amount, int(now), "succeeded", is_release=True)
    return replace(charge, refunds=(release,))


def _process(payment: Payment, now: float, card: Card) -> Transition:
    """Return the payment while the bank takes its time."""
    charge = _attempt(payment, now, card, "pending")
    payment = replace(payment, charges=(*payment.charges, charge))
    return Transition(
        touched(payment, now, Status.PROCESSING),
        (
            Happening("charge.pending", charge.id),
            Happening("payment_intent.processing", payment.id),
        ),
        FollowUp.FINISH,
    )


def _accept(payment: Payment, charge: Charge, now: float, card: Card) -> Transition:
    """Return the payment with a charge that went through, to be captured later or already."""
    if payment.capture_method == "manual":
        status, event = Status.REQUIRES_CAPTURE, "payment_intent.amount_capturable_updated"
    else:
        status, event = Status.SUCCEEDED, "payment_intent.succeeded"
        charge = replace(charge, captured=True, amount_captured=charge.amount)
    disputed = charge.captured and card.aftermath in {Aftermath.DISPUTE, Aftermath.INQUIRY}
    return Transition(
        touched(replace(payment, charges=(*payment.charges, charge)), now, status),
        (Happening("charge.succeeded", charge.id), Happening(event, payment.id)),
        FollowUp.OPEN_DISPUTE if disputed else None,
    )


def _decline(payment: Payment, charge: Charge, now: float, failure: Failure | None) -> Transition:
    """Return the payment with a failed charge, waiting for another payment method."""
    charge = replace(charge, failure=failure)
    payment = replace(payment, charges=(*payment.charges, charge), failed_charge=charge.id)
    failed = _fail(payment, now, failure)
    return Transition(failed.payment, (Happening("charge.failed", charge.id), *failed.happenings))


def _fail(payment: Payment, now: float, failure: Failure | None) -> Transition:
    """Return the payment back at its start, with the reason of the failure."""
    payment = replace(payment, method=None, failure=failure)
    return Transition(
        touched(payment, now, Status.REQUIRES_PAYMENT_METHOD),
        (Happening("payment_intent.payment_failed", payment.id),),
    )
