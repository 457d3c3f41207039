"""A herd costs one load: 200 cold readers in four processes, and 50 duplicates of an event."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import Settings

from coordinator.ledger.models import Change
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import ROOT, SimulatorServer
from tests.servers import MemcachedServer
from tests.support.settling import settle
from tests.support.threads import at_once
from tests.unit.payments import stripe_samples as samples

PROCESSES = 4
THREADS = 50
LATENCY_MS = 300


@pytest.fixture(scope="module")
def stripe_like() -> Iterator[SimulatorServer]:
    """Yield a simulator that takes its time, so that the herd has some to gather."""
    with SimulatorServer() as server:
        server.control("PATCH", "config", {"latency_ms": LATENCY_MS})
        yield server


@pytest.fixture
def site(
    sqlite_ledger: None,
    memcached: MemcachedServer,
    stripe_like: SimulatorServer,
    settings: Settings,
) -> Site:
    """Return the site with the real provider's client, memcached, and a ledger in a file."""
    settings.STRIPE_API_BASE = stripe_like.url
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    settings.COORDINATOR_READ_WAIT_SECONDS = 30
    return Site()


def herd(
    prefix: str, simulator: SimulatorServer, memcached: MemcachedServer, number: str
) -> list[subprocess.Popen[str]]:
    """Start the reading processes; each waits for a line."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "MEMCACHED_SERVERS": memcached.address,
        "STRIPE_API_BASE": simulator.url,
        "COORDINATOR_READ_WAIT_SECONDS": "30",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.integration.payments.cold_readers", prefix, number]
    return [
        subprocess.Popen(
            [*command, str(THREADS)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]


def test_200_cold_readers_of_one_payment_cost_one_request(
    site: Site, stripe_like: SimulatorServer, memcached: MemcachedServer, cache_prefix: str
) -> None:
    intent = stripe_like.pay("EDX-1")
    site.told(stripe_like, intent)
    stripe_like.forget_requests()
    readers = herd(cache_prefix, stripe_like, memcached, "EDX-1")
    outcomes: Counter[str] = Counter()
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for reader in readers:
            assert reader.stdin is not None
            reader.stdin.write("go\n")
            reader.stdin.flush()
        for reader in readers:
            told, _ = reader.communicate(timeout=120)
            assert reader.returncode == 0
            outcomes.update(json.loads(told.splitlines()[-1]))
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert sum(outcomes.values()) == PROCESSES * THREADS
    assert outcomes["loaded"] == 1
    assert outcomes["collapsed"] > 0
    assert stripe_like.requests() == 1


def test_50_deliveries_of_one_event_cost_one_change_and_no_request(
    site: Site, stripe_like: SimulatorServer
) -> None:
    intent = stripe_like.pay("EDX-2")
    (event, *_) = [
        event
        for event in stripe_like.events_of(intent)
        if event["type"] == "payment_intent.succeeded"
    ]
    stripe_like.forget_requests()
    answers = at_once([lambda: Site().deliver(event).status_code for _ in range(50)])
    assert answers == [200] * 50
    assert Change.objects.count() == 1
    pages = at_once([settle for _ in range(4)])
    assert not [page for page in pages if isinstance(page, BaseException)]
    assert stripe_like.requests() == 0, "the event carries its entry"
    assert Change.objects.get().outcome == "warmed"
