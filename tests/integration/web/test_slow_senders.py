"""Senders of bodies, at the real web server, and at nginx with the configuration that we deploy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3
from django.db import connections

from tests.conftest import running
from tests.processes import HOST
from tests.servers import NginxServer
from tests.support.web import WebServer
from tests.unit.payments import stripe_samples as samples
from tools.chaos.slow_senders import SlowSenders

HOOK = "/webhooks/stripe/"
MANY = 40
#: A limit for a test that fails, not a figure: answers take milliseconds.
PATIENCE_SECONDS = 20.0
#: Of a type that needs no ledger: what is tested here is its way in.
BODY = samples.encoded(samples.event("customer.created", {"id": "cus_1"}))


def ask(method: str, url: str, **sent: Any) -> urllib3.BaseHTTPResponse:
    """Return the answer; raise where there is none."""
    return urllib3.request(method, url, retries=False, timeout=PATIENCE_SECONDS, **sent)


def send(url: str, body: bytes = BODY, **changes: Any) -> urllib3.BaseHTTPResponse:
    """Post a signed webhook."""
    headers = {"Content-Type": "application/json", "Stripe-Signature": samples.signature(body)}
    return ask("POST", url + HOOK, body=body, headers=headers, **changes)


@contextmanager
def web(database: dict[str, Any], **settings: str) -> Iterator[WebServer]:
    """Yield a web server with eight threads."""
    connections.close_all()
    ledger = {"DATABASE_URL": f"sqlite:///{database['NAME']}", "STRIPE_LIVEMODE": "false"}
    with WebServer(8, ledger | settings) as server:
        yield server


@pytest.fixture(scope="module")
def server(sqlite_database: dict[str, Any]) -> Iterator[WebServer]:
    """Yield one that never gives a sender up: what keeps it answering is the share alone."""
    settings = {"COORDINATOR_BODY_THREADS": "4", "COORDINATOR_BODY_TIMEOUT_SECONDS": "600"}
    with web(sqlite_database, **settings) as started:
        yield started


@pytest.fixture(scope="module")
def nginx(server: WebServer) -> Iterator[NginxServer]:
    """Yield nginx before it."""
    yield from running(NginxServer(server.address))


@pytest.mark.parametrize("path", [HOOK, "/admin/login/", "/api/v1/payments/"])
def test_whatever_slow_senders_do_probes_and_reads_are_answered(
    server: WebServer, path: str
) -> None:
    with SlowSenders(HOST, server.port, many=MANY, path=path) as senders:
        for _ in range(10):
            assert ask("GET", f"{server.url}/healthz").status == 200
            assert ask("GET", f"{server.url}/readyz").status == 200
            assert ask("GET", f"{server.url}/api/v1/payments/EDX-1/").status == 401
        refused = send(server.url)
        assert refused.status == 503
        assert refused.headers["Retry-After"] == "1"
        assert set(senders.answers) <= {503}
    assert send_until_taken(server.url) == 200


def send_until_taken(url: str) -> int:
    """Return the status of a webhook once the senders before it have been seen to hang up."""
    while (status := send(url).status) == 503:
        pass
    return status


def test_a_body_that_does_not_arrive_in_time_is_given_up(sqlite_database: dict[str, Any]) -> None:
    with (
        web(sqlite_database, COORDINATOR_BODY_TIMEOUT_SECONDS="0.3") as server,
        SlowSenders(HOST, server.port, many=4, path=HOOK) as senders,
    ):
        while senders.answers.get(408, 0) < 4:
            assert send(server.url).status == 200


def chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


def test_a_chunked_webhook_is_accepted_and_bounded_like_others(server: WebServer) -> None:
    assert_chunked_is_as_others(server.url)


def assert_chunked_is_as_others(url: str) -> None:
    signed = {"Stripe-Signature": samples.signature(BODY)}
    kind = {"Content-Type": "application/json"}
    for headers, body, status in (
        (signed, BODY, 200),
        ({}, BODY, 400),
        (signed, b" " * 300_000, 413),
        (signed, b" " * 2_000_000, 413),
    ):
        sent = ask("POST", url + HOOK, body=chunks(body), headers=kind | headers)
        assert sent.status == status


# -- behind nginx ------------------------------------------------------------------------------


def test_behind_nginx_slow_senders_cost_webhooks_nothing_either(nginx: NginxServer) -> None:
    with SlowSenders(HOST, nginx.port, many=MANY, path=HOOK) as senders:
        for _ in range(10):
            assert ask("GET", f"{nginx.url}/healthz").status == 200
            assert ask("GET", f"{nginx.url}/api/v1/payments/EDX-1/").status == 401
            assert send(nginx.url).status == 200
        assert senders.answers == {}


def test_behind_nginx_a_chunked_webhook_is_accepted(nginx: NginxServer) -> None:
    assert_chunked_is_as_others(nginx.url)


@pytest.mark.parametrize(
    "claimed",
    [{}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": ""}],
    ids=str,
)
def test_behind_nginx_metrics_and_details_are_closed(
    nginx: NginxServer, claimed: dict[str, str]
) -> None:
    assert ask("GET", f"{nginx.url}/metrics", headers=claimed).status == 403
    assert ask("GET", f"{nginx.url}/readyz", headers=claimed).json() == {"status": "ok"}
