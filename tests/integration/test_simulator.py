"""The simulator speaks Stripe's API: asked by Stripe's own library, over a real connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.integration.simulator_process import (
    METADATA,
    QUICK,
    RunningSimulator,
    running_simulator,
)
from tools.simulator.payloads import API_VERSION


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """Yield one simulator for all tests of this module."""
    with running_simulator(*QUICK) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: RunningSimulator) -> RunningSimulator:
    """Return the simulator with nothing counted."""
    running.control("DELETE", "stats")
    return running


# -- payments ----------------------------------------------------------------------------------


def test_a_payment_is_made_paid_and_read_with_its_charge_and_refunds(
    simulator: RunningSimulator,
) -> None:
    intents = simulator.service.v1.payment_intents
    intent = simulator.made()
    assert intent.status == "requires_payment_method"
    assert intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    refund = simulator.service.v1.refunds.create({"payment_intent": intent.id, "amount": 1500})

    read = intents.retrieve(intent.id, {"expand": ["latest_charge", "latest_charge.refunds"]})
    assert read.metadata.to_dict() == METADATA
    charge = read.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert charge.metadata.to_dict() == METADATA
    assert (charge.amount, charge.amount_refunded, charge.refunded) == (5000, 1500, False)
    assert charge.refunds is not None
    assert [each.id for each in charge.refunds.data] == [refund.id]
    assert simulator.service.v1.charges.retrieve(charge.id).payment_intent == intent.id


def test_a_declined_card_is_stripes_card_error_and_the_payment_lives_on(
    simulator: RunningSimulator,
) -> None:
    intent = simulator.made()
    intents = simulator.service.v1.payment_intents
    with pytest.raises(stripe.CardError) as declined:
        intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    assert declined.value.code == "card_declined"
    assert declined.value.error is not None
    assert declined.value.error.decline_code == "generic_decline"
    after = intents.retrieve(intent.id)
    assert after.status == "requires_payment_method"
    assert after.last_payment_error is not None
    assert intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_a_payment_is_held_captured_or_canceled(simulator: RunningSimulator) -> None:
    intents = simulator.service.v1.payment_intents
    held = simulator.paid(capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 5000)
    assert intents.capture(held.id, {"amount_to_capture": 3000}).amount_received == 3000

    given_up = intents.cancel(
        simulator.paid(capture_method="manual").id, {"cancellation_reason": "abandoned"}
    )
    assert (given_up.status, given_up.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        intents.confirm(given_up.id)
    assert refusal.value.code == "payment_intent_unexpected_state"


def test_what_is_written_on_a_payment_can_be_changed(simulator: RunningSimulator) -> None:
    changed = simulator.service.v1.payment_intents.update(
        simulator.made().id, {"metadata": {"note": "x"}, "payment_method": "pm_card_visa"}
    )
    assert changed.metadata.to_dict() == {**METADATA, "note": "x"}
    assert changed.status == "requires_confirmation"


def test_a_dispute_is_opened_and_lost(simulator: RunningSimulator) -> None:
    intent = simulator.paid()
    simulator.control("POST", "disputes", {"payment_intent": intent.id, "status": "lost"})
    disputes = simulator.service.v1.disputes.list({"payment_intent": intent.id})
    assert [(each.status, each.payment_intent) for each in disputes.data] == [("lost", intent.id)]
    charge = simulator.service.v1.charges.retrieve(disputes.data[0].charge)  # type: ignore[arg-type]  # not expanded
    assert charge.disputed


def test_steps_of_the_bank_can_be_asked_for(simulator: RunningSimulator) -> None:
    intent = simulator.made(payment_method="pm_card_threeDSecure2Required", confirm=True)
    assert intent.status == "requires_action"
    shown = simulator.control("POST", "advance", {"payment_intent": intent.id})
    assert shown["status"] == "succeeded"
    shown = simulator.control("POST", "advance", {"payment_intent": intent.id, "step": "refund"})
    assert shown["latest_charge"]["amount_refunded"] == 5000


def test_what_the_bank_does_by_itself_it_does_after_a_while() -> None:
    with running_simulator(*QUICK, "--follow-up-ms", "30") as simulator:
        intent = simulator.made(payment_method="pm_card_processing", confirm=True)
        assert intent.status == "processing"
        deadline = time.monotonic() + 10
        while intent.status == "processing" and time.monotonic() < deadline:
            intent = simulator.service.v1.payment_intents.retrieve(intent.id)
        assert intent.status == "succeeded"


# -- lists and bulk reads ------------------------------------------------------------------------


def test_lists_come_newest_first_in_pages(simulator: RunningSimulator) -> None:
    intents = simulator.service.v1.payment_intents
    ids = [simulator.made().id for _ in range(7)]
    first = intents.list({"limit": 3})
    assert [each.id for each in first.data] == ids[:3:-1]
    assert first.has_more
    second = intents.list({"limit": 3, "starting_after": first.data[-1].id})
    assert [each.id for each in second.data] == ids[3:0:-1]
    before = intents.list({"limit": 3, "ending_before": second.data[-1].id})
    assert [each.id for each in before.data] == ids[4:1:-1]
    paged = intents.list({"limit": 2, "created": {"gte": int(time.time()) - 3600}})
    assert [each.id for each in paged.auto_paging_iter()][:7] == ids[::-1]
    assert intents.list({"created": {"gt": int(time.time()) + 60}}).data == []


def test_a_list_can_hold_whole_charges(simulator: RunningSimulator) -> None:
    intent = simulator.paid()
    page = simulator.service.v1.payment_intents.list({"expand": ["data.latest_charge"]})
    assert page.data[0].id == intent.id
    assert isinstance(page.data[0].latest_charge, stripe.Charge)


def test_events_are_listed_by_type_and_time_and_read_one_by_one(
    simulator: RunningSimulator,
) -> None:
    intent = simulator.paid()
    events = simulator.service.v1.events
    since: Any = {"gte": intent.created}
    both = events.list({"created": since, "types": ["payment_intent.*", "charge.succeeded"]})
    assert [event.type for event in both.data[:3]] == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.created",
    ]
    one = events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    assert one.data.object.id == intent.id
    assert one.api_version == API_VERSION
    assert events.retrieve(one.id).created == one.created


def test_refunds_beyond_those_in_the_charge_are_listed_in_pages(
    simulator: RunningSimulator,
) -> None:
    intent = simulator.paid()
    refunds = simulator.service.v1.refunds
    ids = [
        refunds.create({"payment_intent": intent.id, "amount": amount}).id
        for amount in range(1, 13)
    ]
    listed = refunds.list({"payment_intent": intent.id, "limit": 5})
    assert [each.id for each in listed.auto_paging_iter()] == ids[::-1]


def test_many_payments_are_read_at_once_by_the_rest_interface(
    simulator: RunningSimulator,
) -> None:
    one, other = simulator.paid(), simulator.made(currency="jpy", amount=700)
    simulator.control("DELETE", "stats")
    shown = simulator.ask("GET", f"/rest/payments?ids={one.id},{other.id},pi_unknown").json()
    first, second = shown["data"]
    assert (first["id"], first["status"], first["amount_received_minor"]) == (
        one.id,
        "succeeded",
        5000,
    )
    assert (first["number"], first["owner_id"], first["version"]) == ("EDX-77", "42", 2)
    assert (second["id"], second["currency"], second["amount_minor"]) == (other.id, "jpy", 700)
    assert simulator.ask("GET", f"/rest/payments/{one.id}").json() == first
    assert simulator.ask("GET", "/rest/payments/pi_unknown").status == 404
    stats = simulator.stats(one.id, other.id)
    assert stats["requests_per_payment"] == {one.id: 2, other.id: 1}


def test_what_changed_lately_is_read_page_by_page(simulator: RunningSimulator) -> None:
    started = time.time()
    ids = [simulator.made().id for _ in range(5)]
    simulator.shopper.v1.payment_intents.cancel(ids[0])
    seen, after = [], ""
    for _ in range(10):
        query = f"updated_since={started}&limit=2" + (f"&after={after}" if after else "")
        page = simulator.ask("GET", f"/rest/payments?{query}").json()
        seen += [payment["id"] for payment in page["data"]]
        if (after := page["next"]) is None:
            break
    assert seen == [*ids[1:], ids[0]], "by the last change, each once"


@pytest.mark.parametrize("query", ["updated_since=soon", "limit=many", "after=x:y"])
def test_a_malformed_rest_query_is_refused(simulator: RunningSimulator, query: str) -> None:
    answer = simulator.ask("GET", f"/rest/payments?{query}")
    assert (answer.status, answer.json()["error"]) == (400, "invalid_parameter")


# -- errors and keys -----------------------------------------------------------------------------


def test_errors_have_stripes_shape(simulator: RunningSimulator) -> None:
    intents = simulator.service.v1.payment_intents
    with pytest.raises(stripe.InvalidRequestError) as missing:
        intents.retrieve("pi_unknown")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.AuthenticationError) as stranger:
        simulator.client("sk_test_wrong").v1.payment_intents.retrieve("pi_unknown")
    assert stranger.value.http_status == 401
    wrong: Any = {"amount": 100, "currency": "usd", "amuont": 1}
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        intents.create(wrong)
    assert (unknown.value.param, unknown.value.code) == ("amuont", "parameter_unknown")
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        intents.retrieve("pi_unknown", {"expand": ["customer"]})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/payment_intents", 405),
        ("GET", "/rest/nothing", 404),
        ("GET", "/v1/payment_intents?limit=0", 400),
        ("GET", "/v1/payment_intents?limit=abc", 400),
        ("GET", "/v1/payment_intents?created[near]=5", 400),
        ("GET", "/v1/payment_intents?starting_after=pi_unknown", 404),
        ("GET", "/v1/events?starting_after=evt_unknown", 404),
        ("GET", "/v1/refunds", 400),
        ("POST", "/_simulator/advance", 400),
        ("PATCH", "/_simulator/config", 400),
        ("GET", "/_simulator/nothing", 404),
    ],
)
def test_a_wrong_request_is_refused_and_nothing_breaks(
    simulator: RunningSimulator, method: str, path: str, status: int
) -> None:
    body = {"error_rate": 7} if method in {"PATCH", "POST"} else None
    assert simulator.ask(method, path, body=body).status == status


def test_an_idempotency_key_repeats_the_first_answer(simulator: RunningSimulator) -> None:
    intents = simulator.service.v1.payment_intents
    params: Any = {"amount": 100, "currency": "usd"}
    first = intents.create(params, {"idempotency_key": "once"})
    again = intents.create(params, {"idempotency_key": "once"})
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    params["amount"] = 200
    with pytest.raises(stripe.IdempotencyError):
        intents.create(params, {"idempotency_key": "once"})

    declined: Any = {"payment_method": "pm_card_visa_chargeDeclined"}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            intents.confirm(first.id, declined, {"idempotency_key": "declined once"})
    failed = simulator.service.v1.events.list({"type": "charge.failed", "limit": 100})
    assert (
        len([event for event in failed.data if event.data.object.payment_intent == first.id]) == 1
    )
