"""From a signed event to a warm read: over HTTP, through the ledger and a settling round."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import stripe
import urllib3
from django.utils import timezone
from pytest_django import Settings

from coordinator.core import cache
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.payments.models import Payment
from coordinator.warmer.settle import settle_page
from tests.integration.cache_servers import becomes_true
from tests.integration.payments.conftest import Site, cold
from tests.integration.payments.simulated import SimulatorServer
from tests.integration.payments.tokens import bearer
from tests.support.settling import settle_again
from tests.unit.payments import stripe_samples as samples


def post(url: str, event: Mapping[str, Any]) -> int:
    """Send an event as Stripe would, signed by Stripe's own library; return the status."""
    body = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(body, samples.SECRET)
    answer = urllib3.request(
        "POST",
        f"{url}/webhooks/stripe/",
        body=body.encode(),
        headers={"Content-Type": "application/json", "Stripe-Signature": signature},
    )
    return answer.status


def get(url: str, path: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", f"{url}/api/v1/payments/{path}", headers=dict(headers))


def settle() -> None:
    """Work until all is settled, as a worker does: each page with a clean request tier."""
    for _ in range(50):
        cache.clear_request_tier()
        settle_page()
        unsettled = Change.objects.filter(UNSETTLED)
        # What was put off is due at once: a test doesn't wait.
        if not unsettled.update(next_attempt_at=timezone.now()):
            return
    pytest.fail(f"not settled: {list(unsettled.values())}")


def test_a_signed_event_leads_to_a_warm_read_by_its_owner_and_a_404_for_another(
    running_site: str, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-E001")
    for event in simulator.events_of(intent_id):
        assert post(running_site, event) == 200
    settle()
    simulator.forget_requests()
    answer = get(running_site, "EDX-E001/", bearer(42))
    assert answer.status == 200
    assert answer.headers["Cache-Status"].startswith("Coordinator; hit")
    assert answer.json()["provider_id"] == intent_id
    assert get(running_site, "EDX-E001/", bearer(43)).status == 404
    assert simulator.requests() == 0


@pytest.mark.parametrize("cache_kind", ["locmem", "memcached"])
def test_each_change_is_warm_before_the_next_read(
    request: pytest.FixtureRequest, cache_kind: str, site: Site, simulator: SimulatorServer
) -> None:
    if cache_kind == "memcached":
        request.getfixturevalue("memcached")
    number = f"EDX-E002-{cache_kind}"
    intent_id = simulator.pay(number, card="pm_card_threeDSecure2Required")
    seen = []
    known = 0

    def next_read() -> None:
        nonlocal known
        events = simulator.events_of(intent_id)
        for place, event in enumerate(events[known:], start=known):
            # A second apart, as life would have it.
            assert site.deliver({**event, "created": event["created"] + place}).status_code == 200
        known = len(events)
        settle()
        simulator.forget_requests()
        answer = site.read(f"{number}/", bearer())
        assert answer.headers["Cache-Status"].startswith("Coordinator; hit")
        assert simulator.requests() == 0
        seen.append(json.loads(answer.content)["state"])

    next_read()
    simulator.control("POST", "advance", {"payment_intent": intent_id})
    next_read()
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    next_read()
    for status in ("needs_response", "won"):
        simulator.control("POST", "disputes", {"payment_intent": intent_id, "status": status})
        next_read()
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    next_read()
    assert seen == [
        "requires_action",
        "succeeded",
        "partially_refunded",
        "disputed",
        "partially_refunded",
        "refunded",
    ]


def test_events_of_one_second_end_in_what_upstream_says(
    site: Site, simulator: SimulatorServer, settings: Settings
) -> None:
    # The time in which upstream might still lag has passed.
    settings.COORDINATOR_LAG_SECONDS = 0
    intent_id = simulator.pay("EDX-E003", card="pm_card_refundFail")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    simulator.control("POST", "advance", {"payment_intent": intent_id, "step": "fail_refund"})
    # The failure of the refund ranks below the refund: its order can't be told from the events.
    for event in simulator.events_of(intent_id):
        site.deliver({**event, "created": 1_700_000_000})
    settle()
    assert Payment.objects.get().state == "succeeded"
    answer = site.read("EDX-E003/", bearer())
    assert json.loads(answer.content)["state"] == "succeeded"


def test_a_payment_that_upstream_changed_without_a_word_is_found_by_the_next_load(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-E004")
    told = simulator.events_of(intent_id)
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    with cold():
        for event in told:
            site.deliver(event)
    # The ledger says succeeded, upstream refunded: it may be lag, so it is served and not kept.
    answer = site.read("EDX-E004/", bearer())
    assert json.loads(answer.content)["state"] == "refunded"
    assert "stored" not in answer.headers["Cache-Status"]


@pytest.fixture
def lag(simulator: SimulatorServer) -> Iterator[float]:
    """Let the simulator's reads lag behind its events by as many seconds as are returned."""
    seconds = 2.0
    simulator.control("PATCH", "config", {"lag_seconds": seconds})
    yield seconds
    simulator.control("PATCH", "config", {"lag_seconds": 0})


def test_a_lagging_upstream_does_not_turn_the_ledger_back(
    site: Site, simulator: SimulatorServer, lag: float
) -> None:
    number = "EDX-E005"
    intent_id = simulator.pay(number, card="pm_card_threeDSecure2Required")
    # Old enough to be seen: what lags is only what happens from now on.
    becomes_true(lambda: simulator.shows(intent_id), within_seconds=10 * lag)
    site.told(simulator, intent_id)
    settle()
    before = Payment.objects.get().state
    simulator.control("POST", "advance", {"payment_intent": intent_id})
    with cold():
        for event in simulator.events_of(intent_id):
            # After those before, as life would have it.
            assert site.deliver({**event, "created": event["created"] + 1}).status_code == 200

    rounds = 0
    while settle_again().endings == {"postponed": 1}:
        rounds += 1
        assert Payment.objects.get().state == "succeeded"
        assert json.loads(site.read(f"{number}/", bearer()).content)["state"] in (
            before,
            "succeeded",
        )

    assert rounds > 4, "so many would have been enough to believe it, once"
    assert before == "requires_action"
    assert Payment.objects.get().state == "succeeded"
    assert not Change.objects.filter(event_type="observed").exists()
    answer = site.read(f"{number}/", bearer())
    assert answer.headers["Cache-Status"].startswith("Coordinator; hit")
    assert json.loads(answer.content)["state"] == "succeeded"
