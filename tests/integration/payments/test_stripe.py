"""Stripe's API through its own library, against a server that speaks it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from coordinator.payments.payload import decode, encode
from coordinator.payments.providers import Found, ProviderEvent, current
from coordinator.payments.providers import stripe as stripe_provider
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamNotFound,
    UpstreamUnauthorized,
)
from tests.integration.payments.simulated import SimulatorServer


def fetch(intent_id: str) -> Found:
    return current().fetch(intent_id)


def test_a_paid_intent_is_described_with_amounts_owner_and_order(
    simulator: SimulatorServer,
) -> None:
    intent_id = simulator.pay("EDX-2001")
    found = fetch(intent_id)
    details = found.details
    assert (found.number, found.upstream_id) == ("EDX-2001", intent_id)
    assert (details.state, details.provider_status) == ("succeeded", "succeeded")
    assert (details.amount, details.amount_received, details.amount_refunded) == (4900, 4900, 0)
    assert (details.currency, details.lms_user_id) == ("usd", "42")
    assert details.order_reference == "ORDER-EDX-2001"
    assert details.failure is None
    assert details.refunds == ()
    assert details.disputes == ()


def test_what_is_served_holds_no_secret_and_no_card(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2002")
    served = encode(fetch(intent_id).details)
    for forbidden in (b"secret", b"4242", b"visa", b"card", b"receipt", b"billing", b"fingerprint"):
        assert forbidden not in served
    assert decode(served).provider_id == intent_id


def test_a_declined_card_shows_why_by_code_and_nothing_else(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2003", card="pm_card_visa_chargeDeclinedInsufficientFunds")
    details = fetch(intent_id).details
    assert details.state == "requires_payment_method"
    assert details.failure is not None
    assert details.failure.code == "card_declined"
    assert details.failure.decline_code == "insufficient_funds"


def test_refunds_add_up_page_after_page(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2004")
    for _ in range(12):
        simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    found = fetch(intent_id)
    assert found.details.state == "partially_refunded"
    assert found.details.amount_refunded == 1200
    assert [refund.amount for refund in found.details.refunds] == [100] * 12
    assert found.version == 1200
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    assert fetch(intent_id).details.state == "refunded"


def test_a_failed_refund_is_listed_and_does_not_count(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2005", card="pm_card_refundFail")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    simulator.control("POST", "advance", {"payment_intent": intent_id, "step": "fail_refund"})
    details = fetch(intent_id).details
    assert details.state == "succeeded"
    assert [refund.status for refund in details.refunds] == ["failed"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("needs_response", "disputed"),
        ("under_review", "disputed"),
        ("lost", "dispute_lost"),
        ("won", "succeeded"),
        ("warning_needs_response", "succeeded"),
    ],
)
def test_a_dispute_shows_in_the_state(simulator: SimulatorServer, status: str, state: str) -> None:
    intent_id = simulator.pay(f"EDX-21-{status.replace('_', '-')}")
    simulator.control("POST", "disputes", {"payment_intent": intent_id, "status": status})
    details = fetch(intent_id).details
    assert details.state == state
    assert [dispute.status for dispute in details.disputes] == [status]


def test_a_canceled_authorisation_is_canceled_and_not_refunded(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2006", capture_method="manual")
    assert fetch(intent_id).details.state == "requires_capture"
    simulator.shopper.v1.payment_intents.cancel(intent_id)
    details = fetch(intent_id).details
    assert (details.state, details.amount_refunded) == ("canceled", 0)
    assert details.canceled_at is not None


def test_a_payment_of_somebody_else_has_no_number(simulator: SimulatorServer) -> None:
    made = simulator.shopper.v1.payment_intents.create({"amount": 100, "currency": "usd"})
    assert fetch(made.id).number is None


def test_an_unknown_payment_is_told_from_a_failure(simulator: SimulatorServer) -> None:
    with pytest.raises(UpstreamNotFound) as caught:
        fetch("pi_nobody")
    assert caught.value.permanent


def test_a_wrong_key_is_no_fault_of_the_payment(
    simulator: SimulatorServer, settings: Settings
) -> None:
    settings.STRIPE_API_KEY = "sk_test_wrong"
    with pytest.raises(UpstreamUnauthorized) as caught:
        fetch("pi_any")
    assert not caught.value.permanent
    assert "sk_test" not in str(caught.value)


def test_an_answer_of_the_other_mode_is_not_served(
    simulator: SimulatorServer, settings: Settings
) -> None:
    intent_id = simulator.pay("EDX-2007")
    settings.STRIPE_LIVEMODE = True
    with pytest.raises(UpstreamBadAnswer):
        fetch(intent_id)


def test_what_changed_lately_is_listed_oldest_first_under_the_providers_ids(
    simulator: SimulatorServer,
) -> None:
    since = datetime.now(UTC) - timedelta(hours=3)
    intent_id = simulator.pay("EDX-2008")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    told = [event for event in current().list_changed(since) if event.upstream_id == intent_id]
    assert all(isinstance(event, ProviderEvent) for event in told)
    assert [event.event_type for event in told] == [
        event["type"]
        for event in simulator.events_of(intent_id)
        if not event["type"].startswith(("charge.succeeded", "charge.updated", "refund.created"))
    ]
    ids = {event["id"] for event in simulator.events_of(intent_id)}
    assert {event.event_id for event in told} <= ids
    assert told[-1].content["amount_refunded"] == 100


def test_many_events_are_listed_oldest_first_each_once_and_a_page_at_a_time(
    simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=5)
    pages: list[int] = []
    real = stripe_provider._page

    def counted(*args: Any, **params: Any) -> Any:
        page = real(*args, **params)
        pages.append(len(page.data))
        return page

    monkeypatch.setattr(stripe_provider, "_page", counted)
    monkeypatch.setattr(stripe_provider, "PAGE_SIZE", 10)
    intents = [simulator.pay(f"EDX-MANY-{number}") for number in range(20)]
    listed = list(current().list_changed(since))
    told = [event for event in listed if event.upstream_id in intents]
    times = [event.occurred_at for event in told]
    assert times == sorted(times, key=lambda one: one or since)
    ids = [event.event_id for event in told]
    assert len(ids) == len(set(ids))
    assert {event.upstream_id for event in told} == set(intents)
    assert len(ids) == 2 * len(intents), "created and succeeded"
    assert max(pages) <= 10


def test_one_payment_costs_one_request(simulator: SimulatorServer) -> None:
    intent_id = simulator.pay("EDX-2009")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    simulator.forget_requests()
    fetch(intent_id)
    assert simulator.requests() == 1
