"""Readers who wait for a spent budget keep no warm read waiting: at the real web server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import pytest
import urllib3
from django.conf import settings
from django.db import connections

from coordinator.payments.models import Payment
from tests.integration.payments.simulated import SimulatorServer
from tests.integration.payments.tokens import bearer
from tests.servers import MemcachedServer
from tests.support.web import WebServer
from tools.simulator.clients import DEFAULT_SERVICE_KEY

#: A limit for a test that fails, not a figure.
PATIENCE_SECONDS = 60.0
THREADS, WAITING, COLD = 8, 4, 24
WAIT_SECONDS = 4
NUMBERS = ["EDX-WARM", *(f"EDX-COLD-{number}" for number in range(COLD))]


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def web(
    sqlite_ledger: None,
    sqlite_database: dict[str, Any],
    memcached_server: MemcachedServer,
    cache_prefix: str,
    simulator: SimulatorServer,
) -> Iterator[WebServer]:
    """Yield a web server whose budget is one request a second, and payments that are cold."""
    for number in NUMBERS:
        Payment.objects.create(
            number=number,
            upstream_id=simulator.pay(number),
            state="succeeded",
            revision=1,
            provider="stripe",
            lms_user_id="42",
            amount=1000,
            amount_received=1000,
            currency="usd",
            intent_status="succeeded",
        )
    connections.close_all()
    environment = {
        "DATABASE_URL": f"sqlite:///{sqlite_database['NAME']}",
        "MEMCACHED_SERVERS": memcached_server.address,
        "COORDINATOR_CACHE_PREFIX": cache_prefix,
        "JWT_SECRET_KEY": settings.JWT_AUTH["JWT_ISSUERS"][0]["SECRET_KEY"],
        "STRIPE_API_BASE": simulator.url,
        "STRIPE_API_KEY": DEFAULT_SERVICE_KEY,
        "STRIPE_LIVEMODE": "false",
        "COORDINATOR_USER_READS_PER_MINUTE": "1000000",
        "COORDINATOR_UPSTREAM_BUDGET_RPS": "1",
        "COORDINATOR_UPSTREAM_BUDGET_WAITING": str(WAITING),
        "COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS": str(WAIT_SECONDS),
    }
    with WebServer(THREADS, environment) as server:
        yield server


def ask(pool: urllib3.PoolManager, web: WebServer, number: str) -> urllib3.BaseHTTPResponse:
    """Return what a read of this payment is answered with."""
    return pool.request(
        "GET",
        f"{web.url}/api/v1/payments/{number}/",
        headers=bearer(42),
        retries=False,
        timeout=PATIENCE_SECONDS,
    )


def seconds_of_a_hit(pool: urllib3.PoolManager, web: WebServer) -> float:
    """Read what is warm, and return how long it took."""
    began = time.monotonic()
    assert ask(pool, web, "EDX-WARM").status == 200
    return time.monotonic() - began


def test_hits_keep_their_latency_while_cold_readers_wait_for_a_spent_budget(
    web: WebServer,
) -> None:
    pool = urllib3.PoolManager(maxsize=COLD + 1)
    assert ask(pool, web, "EDX-WARM").status == 200, "loaded by its first reader"
    quiet = [seconds_of_a_hit(pool, web) for _ in range(100)]
    with ThreadPoolExecutor(COLD) as readers:
        cold = [readers.submit(ask, pool, web, number) for number in NUMBERS[1:]]
        hits = []
        while not all(one.done() for one in cold):
            hits.append(seconds_of_a_hit(pool, web))
        answers = [one.result() for one in cold]
    refused = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} <= {200, 503}
    assert len(refused) >= COLD - WAIT_SECONDS - WAITING, "the others had their turn or waited"
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    behind_a_cold_one = [seconds for seconds in hits if seconds > WAIT_SECONDS / 2]
    assert behind_a_cold_one == [], "none had to wait for the thread of a reader that waits"
    # Before and after: other work on the machine comes and goes.
    quiet_again = [seconds_of_a_hit(pool, web) for _ in range(len(quiet))]
    assert median(hits) <= 2 * max(median(quiet), median(quiet_again))
