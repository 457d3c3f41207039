"""A payment's life: what follows from what, which events tell of it, and what is refused."""

import typing

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tools.simulator.walks import METADATA, NOW, events_of, new, paid, told, walk
from tools.simulator import aftermath, lifecycle
from tools.simulator.cards import CARDS
from tools.simulator.errors import StripeError
from tools.simulator.payment import Payment, Status
from tools.simulator.steps import STEPS, dispute_steps, natural_step
from tools.simulator.transition import FollowUp, Transition


def stripe_event_types() -> set[str]:
    """Return every event type that the stripe library knows."""
    return set(typing.get_args(typing.get_type_hints(stripe.Event)["type"]))


def test_a_new_payment_waits_for_a_payment_method() -> None:
    made = new()
    assert made.payment.status is Status.REQUIRES_PAYMENT_METHOD
    assert told(made) == ["payment_intent.created"]


def test_a_payment_made_with_a_method_waits_for_confirmation() -> None:
    made = lifecycle.create("pi_test", 1, "eur", NOW, metadata={}, method="pm_card_visa")
    assert made.payment.status is Status.REQUIRES_CONFIRMATION
    assert lifecycle.confirm(made.payment, NOW).payment.status is Status.SUCCEEDED


def test_a_good_card_pays_at_once() -> None:
    transition = paid()
    assert transition.payment.status is Status.SUCCEEDED
    assert transition.payment.amount_received == 5000
    assert told(transition) == ["charge.succeeded", "payment_intent.succeeded"]


def test_a_declined_payment_enters_its_first_state_again_and_may_be_tried_again() -> None:
    declined = paid("pm_card_visa_chargeDeclined")
    assert declined.payment.status is Status.REQUIRES_PAYMENT_METHOD
    assert told(declined) == ["charge.failed", "payment_intent.payment_failed"]
    assert declined.payment.failed_charge == declined.payment.charges[0].id

    again = lifecycle.confirm(declined.payment, NOW + 2, method="pm_card_visa")
    assert again.payment.status is Status.SUCCEEDED
    assert again.payment.failure is None
    first, second = again.payment.charges
    assert (first.status, second.status) == ("failed", "succeeded")
    assert first.id != second.id


def test_a_bank_that_asks_waits_for_the_customer() -> None:
    asked = paid("pm_card_threeDSecure2Required")
    assert asked.payment.status is Status.REQUIRES_ACTION
    assert told(asked) == ["payment_intent.requires_action"]
    assert asked.payment.charges == ()

    failed = walk(asked.payment, "fail_authentication")
    assert failed.payment.status is Status.REQUIRES_PAYMENT_METHOD
    assert told(failed) == ["payment_intent.payment_failed"]
    assert walk(asked.payment, "authenticate").payment.status is Status.SUCCEEDED


@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("pm_card_processing", Status.SUCCEEDED),
        ("pm_card_processingDeclined", Status.REQUIRES_PAYMENT_METHOD),
    ],
)
def test_a_slow_bank_decides_later(card: str, status: Status) -> None:
    processing = paid(card)
    assert processing.payment.status is Status.PROCESSING
    assert processing.follow_up is FollowUp.FINISH
    assert told(processing) == ["charge.pending", "payment_intent.processing"]

    finished = walk(processing.payment, "finish")
    assert finished.payment.status is status
    assert len(finished.payment.charges) == 1, "the pending charge is the one that ends"


def test_a_manual_capture_takes_the_money_in_a_second_step() -> None:
    held = paid(capture="manual")
    assert held.payment.status is Status.REQUIRES_CAPTURE
    assert told(held) == ["charge.succeeded", "payment_intent.amount_capturable_updated"]
    assert (held.payment.amount_capturable, held.payment.amount_received) == (5000, 0)

    captured = walk(held.payment, "capture")
    assert told(captured) == ["charge.captured", "payment_intent.succeeded"]
    assert (captured.payment.amount_capturable, captured.payment.amount_received) == (0, 5000)


def test_a_partial_capture_releases_the_rest_which_is_no_money_returned() -> None:
    held = paid(capture="manual").payment
    payment = lifecycle.capture(held, NOW + 2, 3000).payment
    charge = payment.charges[-1]
    assert payment.amount_received == 3000
    assert (charge.amount_refunded, charge.amount_returned) == (2000, 0)

    refunded = aftermath.refund(payment, NOW + 3).payment.charges[-1]
    assert (refunded.amount_refunded, refunded.amount_returned) == (5000, 3000)


@pytest.mark.parametrize("amount", [0, -1, 5001])
def test_more_than_was_authorized_cannot_be_captured(amount: int) -> None:
    with pytest.raises(StripeError) as refusal:
        lifecycle.capture(paid(capture="manual").payment, NOW, amount)
    assert refusal.value.code == "amount_too_large"


def test_a_canceled_authorization_is_told_as_a_refund_of_money_never_captured() -> None:
    canceled = walk(paid(capture="manual").payment, "cancel")
    assert canceled.payment.status is Status.CANCELED
    assert told(canceled) == ["charge.refunded", "payment_intent.canceled"]
    charge = canceled.payment.charges[-1]
    assert not charge.captured
    assert (charge.amount_refunded, charge.amount_returned) == (5000, 0)


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        (("cancel",), "confirm"),
        (("confirm",), "confirm"),
        (("confirm",), "cancel"),
        ((), "capture"),
        ((), "authenticate"),
        ((), "finish"),
        ((), "refund"),
        ((), "open_dispute"),
    ],
)
def test_what_a_status_does_not_allow_is_refused_as_stripe_does(
    steps: tuple[str, ...], refused: str
) -> None:
    payment = walk(new().payment, *steps).payment
    with pytest.raises(StripeError) as refusal:
        walk(payment, refused)
    assert refusal.value.status == 400
    assert refusal.value.code == "payment_intent_unexpected_state"


def test_attempts_are_limited_as_each_is_kept() -> None:
    payment = new().payment
    for _ in range(lifecycle.MAX_ATTEMPTS):
        payment = lifecycle.confirm(payment, NOW, method="pm_card_visa_chargeDeclined").payment
    with pytest.raises(StripeError):
        lifecycle.confirm(payment, NOW, method="pm_card_visa")


def test_metadata_reach_the_charges_made_from_then_on_and_not_those_before() -> None:
    declined = paid("pm_card_visa_chargeDeclined").payment
    changed = lifecycle.update(declined, NOW + 2, metadata={"lms_user_id": "", "note": "x"}).payment
    first, second = lifecycle.confirm(changed, NOW + 3, method="pm_card_visa").payment.charges
    assert first.metadata == METADATA
    assert second.metadata["note"] == "x"
    assert "lms_user_id" not in second.metadata, "an empty value removes a key"


def test_a_change_is_never_older_than_the_one_before() -> None:
    later = walk(new(at=NOW + 100).payment, "confirm").payment
    assert lifecycle.update(later, NOW, description="x").payment.updated_at == later.updated_at


def test_the_natural_steps_lead_every_open_payment_to_its_end() -> None:
    for card in CARDS:
        payment = new().payment
        payment = lifecycle.confirm(payment, NOW, method=card).payment
        for _ in range(4):
            if payment.status is Status.SUCCEEDED:
                break
            payment = walk(payment, natural_step(payment)).payment
        assert payment.status is Status.SUCCEEDED, card
    with pytest.raises(StripeError):
        natural_step(payment)


def test_every_follow_up_is_a_step() -> None:
    assert {follow_up.value for follow_up in FollowUp} <= set(STEPS)


@pytest.mark.parametrize(
    "status",
    ["needs_response", "under_review", "won", "lost", "warning_needs_response", "warning_closed"],
)
def test_a_dispute_can_be_brought_to_every_status(status: str) -> None:
    payment = paid().payment
    payment = walk(payment, *dispute_steps(payment, status)).payment
    assert payment.charges[-1].dispute is not None
    assert payment.charges[-1].dispute.status == status


def step_or_stay(payment: Payment, name: str, at: float) -> Transition | None:
    """Return what a step comes to, None where it is refused."""
    try:
        return STEPS[name](payment, at)
    except StripeError:
        return None


@given(
    capture=st.sampled_from(["automatic", "manual"]),
    cards=st.lists(st.sampled_from(sorted(CARDS)), max_size=3),
    names=st.lists(st.sampled_from(sorted(STEPS)), max_size=25),
)
def test_any_walk_keeps_the_books_straight(
    capture: str, cards: list[str], names: list[str]
) -> None:
    known = stripe_event_types()
    seen: set[str] = set()
    transition = new(capture=capture)
    for place, name in enumerate([*cards, *names]):
        before, at = transition.payment, NOW + place
        if name in CARDS:
            tried = (
                lifecycle.confirm(before, at, method=name)
                if before.status in {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_ACTION}
                else None
            )
        else:
            tried = step_or_stay(before, name, at)
        if tried is None:
            continue
        transition = tried
        payment = transition.payment
        assert payment.version == before.version + 1
        assert payment.updated_at >= before.updated_at
        assert 0 <= payment.amount_received <= payment.amount
        for charge in payment.charges:
            assert 0 <= charge.amount_returned <= charge.amount_captured <= charge.amount
            assert charge.amount_returned <= charge.amount_refunded <= charge.amount
        assert (payment.status is Status.SUCCEEDED) == (payment.amount_received > 0)
        events = events_of(transition)
        assert {event.type for event in events} <= known
        assert seen.isdisjoint(event.id for event in events)
        seen.update(event.id for event in events)
