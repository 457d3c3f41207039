"""One payment out of Stripe's several objects: no network, every corner."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from coordinator.payments.payload import encode
from coordinator.payments.providers import Found
from coordinator.payments.providers.base import UnknownStatus
from coordinator.payments.providers.stripe_description import describe
from coordinator.payments.providers.stripe_objects import (
    DisputeObject,
    IntentObject,
    RefundObject,
)
from tests.unit.payments import stripe_samples as samples


def described(
    intent: dict[str, Any],
    refunds: tuple[dict[str, Any], ...] = (),
    disputes: tuple[dict[str, Any], ...] = (),
) -> Found:
    return describe(
        msgspec.convert(intent, IntentObject),
        msgspec.convert(refunds, tuple[RefundObject, ...]),
        msgspec.convert(disputes, tuple[DisputeObject, ...]),
    )


def with_charge(**changes: Any) -> dict[str, Any]:
    return samples.succeeded(latest_charge=samples.charge(**changes))


@pytest.mark.parametrize(
    ("intent", "disputes", "state"),
    [
        (samples.intent(), (), "requires_payment_method"),
        (samples.intent(status="processing"), (), "processing"),
        (samples.intent(status="canceled"), (), "canceled"),
        (with_charge(), (), "succeeded"),
        (with_charge(amount_refunded=900), (), "partially_refunded"),
        (with_charge(amount_refunded=4900, refunded=True), (), "refunded"),
        (with_charge(disputed=True), (samples.dispute(),), "disputed"),
        (with_charge(disputed=True), (samples.dispute(status="lost"),), "dispute_lost"),
        (with_charge(disputed=True), (samples.dispute(status="won"),), "succeeded"),
        (
            with_charge(disputed=True),
            (samples.dispute(status="lost"), samples.dispute(id="du_2")),
            "disputed",
        ),
        (
            with_charge(disputed=True),
            (samples.dispute(status="won"), samples.dispute(id="du_2", status="lost")),
            "dispute_lost",
        ),
        (
            samples.intent(
                status="canceled",
                latest_charge=samples.charge(
                    captured=False, amount_captured=0, amount_refunded=4900, refunded=True
                ),
            ),
            (),
            "canceled",
        ),
    ],
)
def test_the_state_is_what_all_objects_together_say(
    intent: dict[str, Any], disputes: tuple[dict[str, Any], ...], state: str
) -> None:
    assert described(intent, (), disputes).details.state == state


def test_the_observation_is_what_the_ledger_would_hold() -> None:
    found = described(with_charge(amount_refunded=900), (samples.refund(),))
    assert found.observation.content == {
        "intent_status": "succeeded",
        "amount": 4900,
        "amount_received": 4900,
        "amount_refunded": 900,
        "currency": "usd",
        "dispute": "",
        "version": 900,
        "lms_user_id": "42",
        "order_reference": "ORDER-7",
    }
    assert found.observation.upstream_id == samples.INTENT_ID
    assert found.observation.occurred_at == datetime.fromtimestamp(1_700_000_100, UTC)


def test_the_newest_of_all_objects_dates_the_payment() -> None:
    found = described(with_charge(disputed=True), (samples.refund(),), (samples.dispute(),))
    assert found.observation.occurred_at == datetime.fromtimestamp(1_700_000_200, UTC)


def test_refunds_and_disputes_come_oldest_first_whatever_order_they_came_in() -> None:
    newer = samples.refund(id="re_2", created=1_700_000_150)
    found = described(with_charge(amount_refunded=1800), (newer, samples.refund()))
    assert [refund.id for refund in found.details.refunds] == [samples.refund()["id"], "re_2"]


def test_a_failure_is_told_by_its_codes_and_forgotten_once_the_payment_succeeded() -> None:
    error = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "lost_card",
        "message": "Jenny's card was reported lost",
        "payment_method": {"card": {"last4": "4242"}},
    }
    failed = described(samples.intent(last_payment_error=error))
    assert failed.details.failure is not None
    assert failed.details.failure.decline_code == "lost_card"
    assert b"Jenny" not in encode(failed.details)
    assert described(samples.succeeded(last_payment_error=error)).details.failure is None


def test_no_secret_no_card_and_no_person_gets_into_the_bytes() -> None:
    served = encode(described(with_charge(), (samples.refund(),), (samples.dispute(),)).details)
    for forbidden in (b"secret", b"4242", b"Jenny", b"example.com", b"receipt", b"fingerprint"):
        assert forbidden not in served


def test_an_unknown_status_is_not_guessed_at() -> None:
    with pytest.raises(UnknownStatus):
        described(samples.intent(status="requires_telepathy"))
    with pytest.raises(UnknownStatus):
        described(with_charge(disputed=True), (), (samples.dispute(status="requires_duel"),))
