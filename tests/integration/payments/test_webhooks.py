"""The webhook: what is let in, what becomes of it, and that nothing is lost or told twice."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from django.db import OperationalError, connections
from django.test import Client
from pytest_django import Settings

from coordinator.ledger.models import Change
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.upstream.errors import UpstreamUnavailable
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer, nowhere
from tests.unit.payments import stripe_samples as samples

PAID = samples.event("payment_intent.succeeded", samples.succeeded())
REFUNDED = samples.event(
    "charge.refunded",
    samples.charge(amount_refunded=900),
    id="evt_refunded",
    created=PAID["created"] + 60,
)


def is_problem(answer: Any, status: int) -> bool:
    """Return True if the answer is a problem document of this status."""
    return (
        answer.status_code == status
        and answer.headers["Content-Type"] == "application/problem+json"
        and json.loads(answer.content)["status"] == status
    )


def nothing_recorded() -> bool:
    return not Payment.objects.exists() and not Change.objects.exists()


# -- the way in --------------------------------------------------------------------------------


def test_a_signed_event_is_committed_before_it_is_answered(
    each_site: Site, simulator: SimulatorServer
) -> None:
    answer = each_site.deliver(PAID)
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"outcome": "applied"}
    payment = Payment.objects.get()
    assert (payment.number, payment.upstream_id) == ("EDX-1001", samples.INTENT_ID)
    assert (payment.state, payment.revision, payment.provider) == ("succeeded", 1, "stripe")
    assert (payment.lms_user_id, payment.order_reference) == ("42", "ORDER-7")
    assert (payment.amount, payment.amount_received, payment.currency) == (4900, 4900, "usd")
    assert Change.objects.get().event_id == PAID["id"]


def test_a_second_delivery_changes_nothing_and_is_answered_alike(
    site: Site, simulator: SimulatorServer
) -> None:
    site.deliver(PAID)
    answer = site.deliver(PAID)
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"outcome": "duplicate"}
    assert Payment.objects.get().revision == 1
    assert Change.objects.count() == 1


def test_a_refund_follows_a_payment(site: Site, simulator: SimulatorServer) -> None:
    site.deliver(PAID)
    site.deliver(REFUNDED)
    payment = Payment.objects.get()
    assert (payment.state, payment.amount_refunded) == ("partially_refunded", 900)
    assert (payment.revision, payment.version) == (2, 900)


def test_a_payment_that_is_first_heard_of_by_its_refund_is_complete(
    site: Site, simulator: SimulatorServer
) -> None:
    site.deliver(REFUNDED)
    payment = Payment.objects.get()
    assert (payment.state, payment.amount, payment.lms_user_id) == (
        "partially_refunded",
        4900,
        "42",
    )
    # The event from before it is its intent's first word, and no news of the charge.
    assert json.loads(site.deliver(PAID).content) == {"outcome": "applied"}
    payment.refresh_from_db()
    assert (payment.state, payment.revision) == ("partially_refunded", 2)


@pytest.mark.usefixtures("atomic_requests")
def test_with_atomic_requests_an_event_is_committed_and_answered_all_the_same(
    each_site: Site, simulator: SimulatorServer
) -> None:
    answers = [each_site.deliver(one) for one in (PAID, REFUNDED, PAID)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [json.loads(answer.content)["outcome"] for answer in answers] == [
        "applied",
        "applied",
        "duplicate",
    ]
    assert Payment.objects.get().state == "partially_refunded"


def test_a_change_that_the_ledger_cannot_hold_is_refused_where_the_provider_shows_it(
    site: Site, simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Payment, "derive_state", lambda _: "On hold")
    assert is_problem(site.deliver(PAID), 422)
    assert nothing_recorded()


# -- what is kept out --------------------------------------------------------------------------


@pytest.mark.parametrize(
    # Made when the test runs: a signature made at import would be too old by then, and refused
    # for that.
    "sign",
    [
        lambda: None,
        lambda: "",
        lambda: "t=1,v1=0",
        lambda: samples.signature(samples.encoded(PAID), "whsec_other"),
        lambda: samples.signature(samples.encoded(PAID), age_seconds=3600),
        lambda: samples.signature(samples.encoded(PAID), age_seconds=-3600),
        lambda: samples.signature(b"{}"),
    ],
    ids=["none", "empty", "made_up", "other_secret", "too_old", "from_the_future", "other_body"],
)
def test_a_bad_signature_is_refused_and_changes_nothing(
    site: Site, simulator: SimulatorServer, sign: Callable[[], str | None]
) -> None:
    signature = sign()
    headers = {} if signature is None else {"Stripe-Signature": signature}
    assert is_problem(site.send(samples.encoded(PAID), headers=headers), 400)
    assert nothing_recorded()


@pytest.mark.parametrize(
    "body", [b" ", b"{", b"\xff\xfe\x00", b"null", b"[" * 50_000, b'{"object":"event"}']
)
@pytest.mark.parametrize("signed", [True, False])
def test_garbage_is_refused_and_changes_nothing(
    site: Site, simulator: SimulatorServer, body: bytes, signed: bool
) -> None:
    header = samples.signature(body) if signed and body != b"\xff\xfe\x00" else "t=1,v1=0"
    assert is_problem(site.send(body, headers={"Stripe-Signature": header}), 400)
    assert nothing_recorded()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head"])
def test_other_methods_are_refused(site: Site, simulator: SimulatorServer, method: str) -> None:
    answer = getattr(site.client, method)("/webhooks/stripe/")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_other_content_types_are_refused(
    site: Site, simulator: SimulatorServer, content_type: str
) -> None:
    assert is_problem(site.send(samples.encoded(PAID), content_type=content_type), 415)
    assert nothing_recorded()


def test_a_charset_is_no_other_content_type(site: Site, simulator: SimulatorServer) -> None:
    answer = site.send(samples.encoded(PAID), content_type="application/json; charset=utf-8")
    assert answer.status_code == 200


def test_a_body_that_is_too_large_is_refused_whatever_its_signature(
    site: Site, simulator: SimulatorServer, settings: Settings
) -> None:
    settings.COORDINATOR_WEBHOOK_MAX_BYTES = 1000
    body = samples.encoded(PAID)
    assert len(body) > 1000
    assert is_problem(site.send(body), 413)
    assert nothing_recorded()


def test_a_body_over_djangos_own_limit_is_refused_too(
    site: Site, simulator: SimulatorServer, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert is_problem(site.send(samples.encoded(PAID)), 413)


def test_only_the_configured_provider_has_an_address(
    site: Site, simulator: SimulatorServer
) -> None:
    for path in ("/webhooks/rest/", "/webhooks/nobody/", "/webhooks/"):
        answer: Any = site.client.post(path, b"{}", content_type="application/json")
        assert is_problem(answer, 404)


def test_a_csrf_check_does_not_stand_in_the_way(simulator: SimulatorServer, site: Site) -> None:
    site.client = Client(enforce_csrf_checks=True)
    assert site.deliver(PAID).status_code == 200


def test_a_live_event_is_refused_in_test_mode(site: Site, simulator: SimulatorServer) -> None:
    assert is_problem(site.deliver({**PAID, "livemode": True}), 400)
    assert nothing_recorded()


def test_metadata_with_an_impossible_number_is_refused_visibly(
    site: Site, simulator: SimulatorServer
) -> None:
    item = samples.succeeded(metadata={"payment_number": "EDX__1001"})
    assert is_problem(site.deliver(samples.event("payment_intent.succeeded", item)), 422)
    assert nothing_recorded()


def test_a_second_intent_under_the_same_number_is_refused(
    site: Site, simulator: SimulatorServer
) -> None:
    site.deliver(PAID)
    other = samples.succeeded(id="pi_another", metadata=samples.intent()["metadata"])
    answer = site.deliver(samples.event("payment_intent.succeeded", other, id="evt_another"))
    assert is_problem(answer, 409)
    assert Payment.objects.get().upstream_id == samples.INTENT_ID


@pytest.mark.parametrize(
    "event",
    [
        samples.event("customer.created", {"id": "cus_1"}),
        samples.event("charge.succeeded", samples.charge()),
        samples.event("payment_intent.succeeded", samples.intent(metadata={})),
        samples.event("payment_intent.succeeded", samples.succeeded(), account="acct_1"),
    ],
)
def test_what_is_not_about_our_payments_is_answered_with_thanks(
    site: Site, simulator: SimulatorServer, event: dict[str, Any]
) -> None:
    answer = site.deliver(event)
    assert answer.status_code == 200
    assert json.loads(answer.content)["outcome"] == "ignored"
    assert nothing_recorded()


# -- what an event doesn't tell ----------------------------------------------------------------


def test_a_dispute_of_a_payment_that_nobody_told_us_of_is_completed_from_upstream(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-3001")
    simulator.control("POST", "disputes", {"payment_intent": intent_id, "status": "needs_response"})
    created = next(
        event
        for event in simulator.events_of(intent_id)
        if event["type"] == "charge.dispute.created"
    )
    assert site.deliver(created).status_code == 200
    payment = Payment.objects.get()
    assert (payment.number, payment.state, payment.amount) == ("EDX-3001", "disputed", 4900)


def test_a_dispute_of_somebody_elses_payment_is_ignored_once_upstream_has_said_so(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("ignored", metadata={"shop": "somebody else's"})
    event = samples.event("charge.dispute.created", samples.dispute(payment_intent=intent_id))
    assert json.loads(site.deliver(event).content) == {"outcome": "ignored", "reason": "not_ours"}
    assert nothing_recorded()


def test_while_upstream_cannot_tell_the_event_is_asked_for_again(
    site: Site, simulator: SimulatorServer, settings: Settings
) -> None:
    intent_id = simulator.pay("EDX-3002")
    event = samples.event("charge.dispute.created", samples.dispute(payment_intent=intent_id))
    settings.STRIPE_API_BASE = nowhere()
    answer = site.deliver(event)
    assert is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert nothing_recorded()
    settings.STRIPE_API_BASE = simulator.url
    assert site.deliver(event).status_code == 200
    assert Payment.objects.get().number == "EDX-3002"


def test_a_failed_refund_takes_the_money_back_into_the_state(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-3003", card="pm_card_refundFail")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id})
    site.told(simulator, intent_id)
    assert Payment.objects.get().state == "refunded"
    known = len(simulator.events_of(intent_id))
    simulator.control("POST", "advance", {"payment_intent": intent_id, "step": "fail_refund"})
    for event in simulator.events_of(intent_id)[known:]:
        # Refunds fail days later. Within one second only upstream could tell the order.
        assert site.deliver({**event, "created": event["created"] + 60}).status_code == 200
    payment = Payment.objects.get()
    assert (payment.state, payment.amount_refunded) == ("succeeded", 0)


def test_a_second_delivery_of_what_had_to_be_fetched_is_not_fetched_again(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-3006")
    event = samples.event("refund.failed", samples.refund(payment_intent=intent_id))
    assert json.loads(site.deliver(event).content) == {"outcome": "applied"}
    simulator.forget_requests()
    assert json.loads(site.deliver(event).content) == {"outcome": "duplicate"}
    assert simulator.requests() == 0


def test_an_event_of_another_api_version_is_fetched_and_recorded(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-3004")
    old = {"id": intent_id, "object": "payment_intent", "status": {"of": "another shape"}}
    event = samples.event("payment_intent.succeeded", old, api_version="2019-02-11")
    assert site.deliver(event).status_code == 200
    assert Payment.objects.get().state == "succeeded"


def test_every_event_of_a_payments_life_is_understood_in_any_order(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-3005")
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 900})
    for status in ("needs_response", "under_review", "won"):
        simulator.control("POST", "disputes", {"payment_intent": intent_id, "status": status})
    for event in reversed(simulator.events_of(intent_id)):
        assert site.deliver(event).status_code == 200
    site.told(simulator, intent_id)
    assert Payment.objects.get().number == "EDX-3005"


# -- trouble -----------------------------------------------------------------------------------


def test_without_a_database_the_event_is_asked_for_again(
    site: Site, simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr(connections["default"], "cursor", refuse)
        answer = site.deliver(PAID)
    assert is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert site.deliver(PAID).status_code == 200


def test_an_error_of_upstream_tells_how_long_to_wait(
    site: Site, simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: str) -> Any:
        raise UpstreamUnavailable(retry_after_seconds=12.4)

    monkeypatch.setattr(providers.current(), "fetch", busy)
    answer = site.deliver(samples.event("refund.failed", samples.refund()))
    assert is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "13"


def test_the_correlation_id_goes_from_the_header_into_the_change_and_back(
    site: Site, simulator: SimulatorServer
) -> None:
    body = samples.encoded(PAID)
    headers = {"Stripe-Signature": samples.signature(body), "X-Correlation-ID": "trace-7"}
    answer = site.send(body, headers=headers)
    assert answer.headers["X-Correlation-ID"] == "trace-7"
    assert Change.objects.get().correlation_id == "trace-7"


def test_no_log_line_holds_a_body_a_signature_or_a_secret(
    site: Site, simulator: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = samples.encoded(PAID)
    header = samples.signature(body)
    site.send(body, headers={"Stripe-Signature": header})
    site.send(body, headers={"Stripe-Signature": header.replace("v1=", "v1=0")})
    site.send(b'{"client_secret": "pi_1_secret_2"', headers={"Stripe-Signature": "t=1,v1=x"})
    site.deliver({**PAID, "livemode": True})
    lines = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "webhook.answered" in lines
    for forbidden in ("client_secret", "_secret_", samples.SECRET, header[-64:], "whsec", "last4"):
        assert forbidden not in lines


def test_stripes_own_library_accepts_what_these_tests_sign() -> None:
    body = samples.encoded(PAID)
    made = stripe.Webhook.construct_event(body, samples.signature(body), samples.SECRET)
    assert made.id == PAID["id"]
