"""The second provider: a plain REST service, reached by settings alone."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from coordinator.core.resource import Loaded, Standing
from coordinator.ledger.recording import Recorded
from coordinator.payments import resource
from coordinator.payments.models import Payment
from coordinator.payments.providers import current, standard_webhooks
from coordinator.payments.providers.base import UnknownStatus
from coordinator.payments.providers.rest import RestProvider
from coordinator.payments.receiving import receive
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamNotFound,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer, nowhere
from tests.integration.payments.tokens import bearer
from tools.simulator.clients import DEFAULT_SERVICE_KEY

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def rest(simulator_server: SimulatorServer, settings: Settings) -> SimulatorServer:
    """Make the simulator's plain interface this test's provider."""
    settings.COORDINATOR_PROVIDER = "coordinator.payments.providers.rest.RestProvider"
    settings.COORDINATOR_REST_BASE_URL = simulator_server.url
    settings.COORDINATOR_REST_TOKEN = DEFAULT_SERVICE_KEY
    settings.COORDINATOR_REST_WEBHOOK_SECRETS = [SECRET]
    return simulator_server


def many(*upstream_ids: str) -> dict[str, Any]:
    """Read many in one go."""
    fetch_many = current().fetch_many
    assert fetch_many is not None
    return dict(fetch_many(upstream_ids))


def test_one_setting_makes_it_the_provider(rest: SimulatorServer) -> None:
    assert isinstance(current(), RestProvider)


def test_a_payment_is_described_in_our_terms(rest: SimulatorServer) -> None:
    intent_id = rest.pay("EDX-R001", amount=1234)
    found = current().fetch(intent_id)
    details = found.details
    assert (found.number, details.state, details.currency) == ("EDX-R001", "succeeded", "usd")
    assert (details.amount, details.amount_received, details.amount_refunded) == (1234, 1234, 0)
    assert (details.lms_user_id, details.order_reference) == ("42", "ORDER-EDX-R001")
    assert details.provider == "rest"
    assert found.version == 2
    assert details.updated_at is None, "the ledger's, once it is served"
    assert found.observation.occurred_at is not None


def test_states_that_the_service_names_itself_hold(rest: SimulatorServer) -> None:
    intent_id = rest.pay("EDX-R002")
    rest.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    assert current().fetch(intent_id).details.state == "partially_refunded"
    rest.control("POST", "disputes", {"payment_intent": intent_id, "status": "lost"})
    assert current().fetch(intent_id).details.state == "dispute_lost"


def test_many_cost_one_request_a_hundred_and_the_unknown_are_told_apart(
    rest: SimulatorServer,
) -> None:
    made = [rest.pay(f"EDX-R1{n:03}") for n in range(5)]
    rest.forget_requests()
    found = many(*made, "pi_nobody")
    assert rest.requests() == 1
    assert [found[intent_id].details.number for intent_id in made] == [
        f"EDX-R1{n:03}" for n in range(5)
    ]
    assert isinstance(found["pi_nobody"], UpstreamNotFound)
    rest.forget_requests()
    many(*made, *(f"pi_{n}" for n in range(200)))
    assert rest.requests() == 3


def test_the_core_loads_many_through_it(rest: SimulatorServer) -> None:
    made = {f"EDX-R2{n:03}": rest.pay(f"EDX-R2{n:03}") for n in range(3)}
    fetch_many = current().fetch_many
    assert fetch_many is not None
    standings = {n: Standing("succeeded", 1, "42", upstream) for n, upstream in made.items()}
    standings["EDX-R2999"] = Standing("succeeded", 1, "42", "pi_nobody")
    loads = resource.in_bulk(fetch_many)(standings)
    for number in made:
        load = loads[number]
        assert isinstance(load, Loaded)
        assert (json.loads(load.payload)["number"], load.owner) == (number, "42")
    assert isinstance(loads["EDX-R2999"], UpstreamNotFound)


def test_a_bulk_read_that_fails_fails_for_each(rest: SimulatorServer, settings: Settings) -> None:
    settings.COORDINATOR_REST_BASE_URL = nowhere()
    assert all(isinstance(error, UpstreamUnavailable) for error in many("pi_1", "pi_2").values())


def test_a_wrong_token_is_no_fault_of_the_payment(
    rest: SimulatorServer, settings: Settings
) -> None:
    settings.COORDINATOR_REST_TOKEN = "wrong"
    with pytest.raises(UpstreamUnauthorized):
        current().fetch("pi_1")


def test_fields_and_statuses_are_mapped_by_settings(
    rest: SimulatorServer, settings: Settings
) -> None:
    settings.COORDINATOR_REST_FIELDS = {"owner": "order_reference", "order_reference": "owner_id"}
    settings.COORDINATOR_REST_STATUSES = {"succeeded": "processing"}
    details = current().fetch(rest.pay("EDX-R003")).details
    assert (details.lms_user_id, details.order_reference) == ("ORDER-EDX-R003", "42")
    assert (details.state, details.provider_status) == ("processing", "succeeded")


def test_a_status_that_settings_map_to_nothing_known_is_refused(
    rest: SimulatorServer, settings: Settings
) -> None:
    settings.COORDINATOR_REST_STATUSES = {"succeeded": "paid"}
    with pytest.raises(UnknownStatus):
        current().fetch(rest.pay("EDX-R004"))


def test_a_field_that_is_not_there_or_of_another_type_is_a_bad_answer(
    rest: SimulatorServer, settings: Settings
) -> None:
    settings.COORDINATOR_REST_FIELDS = {"amount": "currency"}
    with pytest.raises(UpstreamBadAnswer):
        current().fetch(rest.pay("EDX-R005"))
    settings.COORDINATOR_REST_FIELDS = {"amount": "no_such_field"}
    with pytest.raises(UpstreamBadAnswer):
        current().fetch(rest.pay("EDX-R006"))


def test_what_no_webhook_told_is_listed_page_after_page_and_recorded_once(
    rest: SimulatorServer, site: Site
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=2)
    made = {rest.pay(f"EDX-R3{n:03}") for n in range(130)}

    def reconcile() -> list[str]:
        outcomes = [receive(e) for e in current().list_changed(since) if e.upstream_id in made]
        return [one.outcome.value for one in outcomes if isinstance(one, Recorded)]

    assert reconcile() == ["applied"] * 130
    assert reconcile() == ["duplicate"] * 130
    assert Payment.objects.filter(provider="rest", state="succeeded").count() == 130


def signed(content: Any, **changes: str) -> dict[str, Any]:
    """Return a webhook's body and headers."""
    body, now = json.dumps(content).encode(), int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": standard_webhooks.sign(body, "msg_1", now, SECRET),
    } | changes
    return {"data": body, "content_type": "application/json", "headers": headers}


def flat(**changes: Any) -> dict[str, Any]:
    """Return a payment as the service shows it."""
    return {
        "id": "pay_1",
        "number": "EDX-R400",
        "status": "succeeded",
        "amount_minor": 500,
        "amount_received_minor": 500,
        "currency": "EUR",
        "owner_id": "42",
        "updated_at": "2026-11-22T10:00:00.5Z",
        "version": 3,
    } | changes


def test_a_signed_webhook_is_recorded_and_a_listing_of_the_same_version_is_a_duplicate(
    rest: SimulatorServer, site: Site
) -> None:
    event = {"type": "payment.changed", "data": flat()}
    answer = site.client.post("/webhooks/rest/", **signed(event))
    assert answer.status_code == 200
    payment = Payment.objects.get()
    assert (payment.state, payment.version, payment.currency) == ("succeeded", 3, "eur")
    assert payment.occurred_at == datetime(2026, 11, 22, 10, 0, 0, 500_000, tzinfo=UTC)
    again = site.client.post("/webhooks/rest/", **signed(event | {"type": "payment.again"}))
    assert again.json() == {"outcome": "duplicate"}


@pytest.mark.parametrize(
    ("content", "changes", "status"),
    [
        ({"type": "payment.changed", "data": flat()}, {"webhook-signature": "v1,AAAA"}, 400),
        ({"type": "payment.changed", "data": flat()}, {"webhook-id": "msg_2"}, 400),
        ({"type": "payment.changed", "data": flat()}, {"webhook-timestamp": "1"}, 400),
        ({"type": "payment.changed", "data": flat()}, {"webhook-timestamp": "now"}, 400),
        ({"type": "payment.changed", "data": flat(amount_minor="5")}, {}, 400),
        ({"type": "payment.changed", "data": flat(updated_at="yesterday")}, {}, 400),
        ({"type": "payment.changed"}, {}, 400),
        ([], {}, 400),
        ({"type": "payment.changed", "data": flat(number="a__b")}, {}, 422),
        ({"type": "payment.changed", "data": flat(status="paid")}, {}, 422),
    ],
)
def test_what_is_not_signed_or_not_understood_changes_nothing(
    rest: SimulatorServer, site: Site, content: Any, changes: dict[str, str], status: int
) -> None:
    answer = site.client.post("/webhooks/rest/", **signed(content, **changes))
    assert answer.status_code == status
    assert not Payment.objects.exists()


def test_a_payment_without_a_number_is_somebody_elses(rest: SimulatorServer, site: Site) -> None:
    answer = site.client.post(
        "/webhooks/rest/", **signed({"type": "payment.changed", "data": flat(number="")})
    )
    assert answer.json() == {"outcome": "ignored", "reason": "not_ours"}


def test_its_payments_are_read_like_any_other(rest: SimulatorServer, site: Site) -> None:
    intent_id = rest.pay("EDX-R500")
    event = {"type": "payment.changed", "data": flat(id=intent_id, number="EDX-R500", version=1)}
    site.client.post("/webhooks/rest/", **signed(event))
    answer = site.read("EDX-R500/", bearer())
    assert answer.status_code == 200
    assert json.loads(answer.content)["provider"] == "rest"
    assert site.read("EDX-R500/", bearer(43)).status_code == 404
