"""A simulated Stripe, a ledger that commits, and a client that delivers and reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.testcases import LiveServerThread
from pytest_django import Settings

from coordinator.core import switches
from tests.integration.payments.simulated import SimulatorServer
from tests.unit.payments import stripe_samples as samples
from tools.simulator.clients import DEFAULT_SERVICE_KEY


@pytest.fixture(scope="session")
def simulator_server() -> Iterator[SimulatorServer]:
    """Yield a running simulator, shared by the tests: each uses payments of its own."""
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def simulator(simulator_server: SimulatorServer, settings: Settings) -> SimulatorServer:
    """Make the simulator this test's Stripe."""
    settings.STRIPE_API_BASE = simulator_server.url
    settings.STRIPE_API_KEY = DEFAULT_SERVICE_KEY
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    return simulator_server


@contextmanager
def cold() -> Iterator[None]:
    """Let no event within the block carry its entry: warming is paused."""
    with override_settings(COORDINATOR_WARMING="paused"):
        switches.forget()
        yield
    switches.forget()


class Site:
    """The site as the provider and its readers meet it."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def send(self, body: bytes, **changes: Any) -> HttpResponse:
        """Post a body to the Stripe webhook, signed unless `changes` say otherwise."""
        if "headers" not in changes:
            changes["headers"] = {"Stripe-Signature": samples.signature(body)}
        sent: dict[str, Any] = {"content_type": "application/json", **changes}
        answer: Any = self.client.post("/webhooks/stripe/", body, **sent)
        return answer

    def deliver(self, event: Mapping[str, Any]) -> HttpResponse:
        """Deliver an event as Stripe would."""
        return self.send(samples.encoded(event))

    def told(self, simulator: SimulatorServer, intent_id: str) -> None:
        """Deliver everything that happened to a payment until now, and leave it cold."""
        with cold():
            for event in simulator.events_of(intent_id):
                assert self.deliver(event).status_code == 200

    def read(self, path: str, headers: Mapping[str, str], **query: Any) -> HttpResponse:
        """Get an address below ``/api/v1/payments/``."""
        answer: Any = self.client.get(f"/api/v1/payments/{path}", query, headers=dict(headers))
        return answer


@pytest.fixture
def site(sqlite_ledger: None) -> Site:
    """Return a site with an empty ledger that really commits."""
    return Site()


@pytest.fixture
def each_site(each_ledger: str) -> Site:
    """Return a site on SQLite, and one on PostgreSQL."""
    return Site()


@pytest.fixture
def atomic_requests(each_ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django put a transaction around each request."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.fixture
def running_site(site: Site) -> Iterator[str]:
    """Serve the site on a free port and yield its base address."""
    server = LiveServerThread("127.0.0.1", StaticFilesHandler)
    server.start()
    server.is_ready.wait()
    try:
        if server.error is not None:
            raise server.error
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.terminate()
