"""The official library over our client, against a server that speaks like Stripe."""

import json
import logging
from collections.abc import Iterator

import pytest
import stripe
from pytest_django import Settings

from coordinator import correlation
from coordinator.payments.providers.stripe_http import StripeTransport, translated
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from tests.unit.upstream.misbehaving import Behaviour, Upstream, answer, hang_up, running, stall

INTENT = b'{"id": "pi_1", "object": "payment_intent", "amount": 1999}'
KEY = "sk_test_word5"


@pytest.fixture
def upstream(settings: Settings) -> Iterator[Upstream]:
    """Yield a server that knows one PaymentIntent."""
    settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS = 10
    settings.COORDINATOR_BREAKER_FAILURES = 100
    with running(answer(200, INTENT, {"Request-Id": "req_1"})) as server:
        yield server


@pytest.fixture
def api(upstream: Upstream) -> stripe.StripeClient:
    """Return the library's client, as the provider makes it."""
    return stripe.StripeClient(
        KEY,
        base_addresses={"api": upstream.url},
        max_network_retries=0,
        http_client=StripeTransport(),
    )


def refusal(status: int, kind: str, code: str = "", **headers: str) -> Behaviour:
    error = {"type": kind, "code": code, "message": f"word6 {KEY}"}
    return answer(status, json.dumps({"error": error}).encode(), headers)


def test_the_library_gets_what_it_expects(api: stripe.StripeClient, upstream: Upstream) -> None:
    with correlation.bind("abc"):
        intent = api.v1.payment_intents.retrieve("pi_1", {"expand": ["latest_charge"]})
    assert intent.amount == 1999
    assert intent.last_response is not None
    assert intent.last_response.request_id == "req_1"
    [request] = upstream.requests
    assert request.target == "/v1/payment_intents/pi_1?expand%5B0%5D=latest_charge"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-correlation-id"] == "abc"
    assert "stripe-version" in request.headers


def test_the_library_says_which_transport_it_uses(
    api: stripe.StripeClient, upstream: Upstream
) -> None:
    api.v1.payment_intents.retrieve("pi_1")
    told = json.loads(upstream.requests[0].headers["x-stripe-client-user-agent"])
    assert told["httplib"] == "coordinator"


def test_two_clients_share_the_connections_of_the_process(upstream: Upstream) -> None:
    for _ in range(3):
        api = stripe.StripeClient(
            KEY, base_addresses={"api": upstream.url}, http_client=StripeTransport()
        )
        api.v1.payment_intents.retrieve("pi_1")
    assert upstream.connections == 1


def test_a_post_brings_its_body_and_may_be_repeated(
    api: stripe.StripeClient, upstream: Upstream
) -> None:
    upstream.answer_with(hang_up, answer(200, INTENT))
    api.v1.payment_intents.create({"amount": 1999, "currency": "eur"})
    first, second = upstream.requests
    assert first.body == second.body == b"amount=1999&currency=eur"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (answer(500, b"{}"), UpstreamUnavailable),
        (hang_up, UpstreamUnavailable),
        (stall, UpstreamTimeout),
        (answer(429, b"{}", {"Retry-After": "60"}), UpstreamRateLimited),
    ],
)
def test_upstreams_trouble_comes_out_as_ours(
    api: stripe.StripeClient,
    upstream: Upstream,
    settings: Settings,
    trouble: Behaviour,
    error: type[UpstreamError],
) -> None:
    settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS = 1
    upstream.answer_with(trouble)
    with pytest.raises(error), translated():
        api.v1.payment_intents.retrieve("pi_1")


def test_the_library_adds_no_retries_of_its_own(upstream: Upstream, settings: Settings) -> None:
    settings.COORDINATOR_UPSTREAM_RETRIES = 0
    upstream.answer_with(answer(500, b"{}"))
    api = stripe.StripeClient(
        KEY,
        base_addresses={"api": upstream.url},
        max_network_retries=5,
        http_client=StripeTransport(),
    )
    with pytest.raises(UpstreamUnavailable):
        api.v1.payment_intents.retrieve("pi_1")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("refused", "error", "permanent"),
    [
        (refusal(404, "invalid_request_error", "resource_missing"), UpstreamNotFound, True),
        (refusal(400, "invalid_request_error", "parameter_invalid"), UpstreamRejected, True),
        (refusal(400, "invalid_request_error", "rate_limit"), UpstreamRateLimited, False),
        (refusal(401, "invalid_request_error"), UpstreamUnauthorized, False),
        (refusal(403, "invalid_request_error"), UpstreamUnauthorized, False),
        (refusal(402, "card_error", "card_declined"), UpstreamRejected, True),
        (answer(200, b"<html>word6</html>"), UpstreamBadAnswer, True),
        (answer(404, b"<html>word6</html>"), UpstreamNotFound, True),
    ],
)
def test_a_refusal_is_translated_and_tells_no_secret(
    api: stripe.StripeClient,
    upstream: Upstream,
    refused: Behaviour,
    error: type[UpstreamError],
    permanent: bool,
) -> None:
    upstream.answer_with(refused)
    with pytest.raises(error) as caught, translated():
        api.v1.payment_intents.retrieve("pi_1")
    assert type(caught.value) is error
    assert caught.value.permanent is permanent
    assert "word" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert len(upstream.requests) == 1


def test_another_requests_lock_is_waited_for(api: stripe.StripeClient, upstream: Upstream) -> None:
    upstream.answer_with(refusal(409, "idempotency_error"), answer(200, INTENT))
    assert api.v1.payment_intents.retrieve("pi_1").id == "pi_1"
    assert len(upstream.requests) == 2


def test_stripe_can_say_that_asking_again_is_useless(
    api: stripe.StripeClient, upstream: Upstream
) -> None:
    upstream.answer_with(refusal(409, "idempotency_error", **{"Stripe-Should-Retry": "false"}))
    with pytest.raises(UpstreamRejected), translated():
        api.v1.payment_intents.retrieve("pi_1")
    assert len(upstream.requests) == 1


def test_a_refusal_that_stays_is_the_librarys_to_interpret(
    api: stripe.StripeClient, upstream: Upstream
) -> None:
    upstream.answer_with(refusal(409, "idempotency_error"))
    with pytest.raises(UpstreamRejected), translated():
        api.v1.payment_intents.retrieve("pi_1")
    assert len(upstream.requests) == 3


def test_a_streamed_answer_is_a_file(upstream: Upstream) -> None:
    upstream.answer_with(answer(200, b"%PDF"))
    file, status, _ = StripeTransport().request_stream("get", upstream.url + "/pdf", {})
    assert (status, file.read()) == (200, b"%PDF")


def test_pages_are_followed(api: stripe.StripeClient, upstream: Upstream) -> None:
    def page(*names: str, more: bool) -> Behaviour:
        data = [{"id": name, "object": "event"} for name in names]
        content = {"object": "list", "url": "/v1/events", "has_more": more, "data": data}
        return answer(200, json.dumps(content).encode())

    upstream.answer_with(page("evt_1", "evt_2", more=True), page("evt_3", more=False))
    names = [event.id for event in api.v1.events.list().auto_paging_iter()]
    assert names == ["evt_1", "evt_2", "evt_3"]


def test_no_log_line_of_the_library_tells_a_query_or_an_answer(
    api: stripe.StripeClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer_with(answer(200, b'{"id": "pi_1", "object": "word7"}'))
    with caplog.at_level(logging.DEBUG):
        api.v1.payment_intents.list({"customer": "word8"})
    assert caplog.records
    assert not [record for record in caplog.records if "word" in str(vars(record))]
