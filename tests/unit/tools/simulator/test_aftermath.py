"""Refunds and disputes: they move money, never the PaymentIntent's status."""

import pytest

from tests.unit.tools.simulator.walks import NOW, paid, told, walk
from tools.simulator import aftermath
from tools.simulator.errors import StripeError
from tools.simulator.payment import Charge, Dispute, Payment, Status
from tools.simulator.transition import FollowUp


def charge_of(payment: Payment) -> Charge:
    assert payment.latest_charge is not None
    return payment.latest_charge


def dispute_of(payment: Payment) -> Dispute:
    dispute = charge_of(payment).dispute
    assert dispute is not None
    return dispute


def test_refunds_add_up_until_nothing_is_left() -> None:
    first = aftermath.refund(paid().payment, NOW + 2, 2000)
    assert told(first) == ["refund.created", "charge.refunded"]
    assert first.follow_up is FollowUp.FINISH_REFUND
    assert charge_of(first.payment).amount_returned == 2000

    second = aftermath.refund(first.payment, NOW + 3)
    assert charge_of(second.payment).amount_returned == 5000
    assert second.payment.status is Status.SUCCEEDED
    assert second.payment.amount_received == 5000
    with pytest.raises(StripeError) as refusal:
        aftermath.refund(second.payment, NOW + 4)
    assert refusal.value.code == "charge_already_refunded"


def test_more_than_is_left_is_not_refunded() -> None:
    payment = aftermath.refund(paid().payment, NOW + 2, 4000).payment
    with pytest.raises(StripeError) as refusal:
        aftermath.refund(payment, NOW + 3, 1001)
    assert refusal.value.code == "amount_too_large"


def test_the_bank_confirms_a_refund_later_with_a_reference() -> None:
    payment = walk(paid().payment, "refund", "finish_refund").payment
    assert charge_of(payment).refunds[0].reference_known
    with pytest.raises(StripeError):
        walk(payment, "finish_refund")


def test_a_pending_refund_counts_and_succeeds_later() -> None:
    pending = walk(paid("pm_card_pendingRefund").payment, "refund").payment
    assert charge_of(pending).refunds[0].status == "pending"
    assert charge_of(pending).amount_returned == 5000
    done = walk(pending, "finish_refund")
    assert told(done) == ["refund.updated", "charge.refund.updated"]
    assert charge_of(done.payment).refunds[0].status == "succeeded"


def test_a_refund_that_fails_is_money_that_stayed() -> None:
    refunded = walk(paid("pm_card_refundFail").payment, "refund")
    assert refunded.follow_up is FollowUp.FAIL_REFUND
    failed = walk(refunded.payment, "fail_refund")
    assert told(failed) == ["refund.updated", "refund.failed", "charge.refund.updated"]
    assert charge_of(failed.payment).amount_returned == 0
    assert aftermath.refund(failed.payment, NOW + 9).payment.charges[-1].amount_returned == 5000


def test_a_dispute_withdraws_money_and_its_loss_forbids_refunds() -> None:
    opened = walk(paid().payment, "open_dispute")
    assert told(opened) == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(StripeError) as refusal:
        walk(opened.payment, "refund")
    assert refusal.value.code == "charge_disputed"

    answered = walk(opened.payment, "answer_dispute")
    assert told(answered) == ["charge.dispute.updated"]
    lost = walk(answered.payment, "lose_dispute")
    assert told(lost) == ["charge.dispute.closed"]
    assert dispute_of(lost.payment).status == "lost"
    with pytest.raises(StripeError):
        walk(lost.payment, "refund")


def test_a_dispute_that_is_won_gives_the_money_back_and_allows_refunds() -> None:
    won = walk(paid().payment, "open_dispute", "win_dispute")
    assert told(won) == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]
    assert dispute_of(won.payment).status == "won"
    assert charge_of(walk(won.payment, "refund").payment).amount_returned == 5000


def test_an_inquiry_takes_no_money_and_just_ends() -> None:
    asked = walk(paid().payment, "open_inquiry")
    assert told(asked) == ["charge.dispute.created"]
    ended = walk(asked.payment, "answer_dispute", "lose_dispute")
    assert told(ended) == ["charge.dispute.closed"]
    assert dispute_of(ended.payment).status == "warning_closed"


@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("pm_card_createDispute", "needs_response"),
        ("pm_card_createDisputeInquiry", "warning_needs_response"),
    ],
)
def test_a_card_can_have_a_dispute_in_store(card: str, status: str) -> None:
    transition = paid(card)
    assert transition.follow_up is FollowUp.OPEN_DISPUTE
    payment = walk(transition.payment, FollowUp.OPEN_DISPUTE).payment
    assert dispute_of(payment).status == status
    with pytest.raises(StripeError):
        walk(payment, "open_dispute")


def test_refunds_of_one_charge_are_limited() -> None:
    payment = paid().payment
    for _ in range(aftermath.MAX_REFUNDS):
        payment = aftermath.refund(payment, NOW + 2, 1).payment
    with pytest.raises(StripeError):
        aftermath.refund(payment, NOW + 3, 1)
