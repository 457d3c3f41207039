"""The parts of the chaos that touch something real: a process that dies, and the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymemcache.client.base import Client
from pytest_django import Settings

from coordinator.core import keys, pointer
from coordinator.settings import caches
from tests.integration.cache_servers import ring_servers
from tests.servers import MemcachedServer
from tests.support.payments import record
from tools.chaos import dying, ending, homes
from tools.chaos.dying import Moment

__all__ = ["ring_servers"]

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import django; django.setup()
from tools.chaos.dying import Moment, die_if_told
die_if_told(Moment.BEFORE_RING)
"""


def comes_to_the_moment(directory: Path) -> int:
    """Return the exit status of a process that comes to the moment before the ring."""
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={
            **os.environ,
            "CHAOS_DIRECTORY": str(directory),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        },
        timeout=60,
    ).returncode


def test_a_process_dies_at_the_moment_that_it_was_told_of_and_only_once(tmp_path: Path) -> None:
    done = dying.tell(tmp_path, Moment.BEFORE_RING)
    assert comes_to_the_moment(tmp_path) == -9
    assert done.exists()
    assert comes_to_the_moment(tmp_path) == 0


def test_an_order_for_another_moment_or_one_taken_back_is_not_followed(tmp_path: Path) -> None:
    dying.tell(tmp_path, Moment.BEFORE_ADVANCE)
    dying.tell(tmp_path, Moment.BEFORE_RING)
    dying.untell(tmp_path, Moment.BEFORE_RING)
    assert comes_to_the_moment(tmp_path) == 0


@pytest.mark.usefixtures("sqlite_ledger")
def test_what_the_ledger_does_not_know_as_the_provider_does_is_told() -> None:
    record("succeeded", number="EDX-1", amount_received=1000)
    record("processing", number="EDX-2")
    same = {"amount_received_minor": 1000, "amount_refunded_minor": 0}
    other = {"amount_received_minor": 0, "amount_refunded_minor": 0}

    found = ending.untold(
        [
            {"number": "EDX-1", "status": "succeeded", **same},
            {"number": "EDX-2", "status": "canceled", **other},
            {"number": "EDX-3", "status": "processing", **other},
        ]
    )

    assert [line.split()[0] for line in found] == ["EDX-2", "EDX-3"]


def test_what_is_served_otherwise_than_the_books_have_it_is_told() -> None:
    refund = {"id": "re_1", "status": "succeeded"}
    dispute = {"id": "dp_1", "status": "won"}
    amounts = {"amount_received_minor": 1000, "amount_refunded_minor": 400}
    book = {
        "status": "partially_refunded",
        **amounts,
        "refunds": [{**refund, "amount_minor": 400}],
        "disputes": [{**dispute, "amount_minor": 1000}],
    }
    right: dict[str, Any] = {
        "state": "partially_refunded",
        "amount_received": 1000,
        "amount_refunded": 400,
        "refunds": [{**refund, "amount": 400}],
        "disputes": [{**dispute, "amount": 1000}],
    }
    served = {
        "EDX-1": right,
        "EDX-2": {**right, "refunds": []},
        "EDX-3": {**right, "disputes": [{**dispute, "amount": 1000, "status": "lost"}]},
        "EDX-4": {**right, "amount_refunded": 0},
    }
    books = [{"number": f"EDX-{number}", **book} for number in range(1, 6)]

    found = ending.misserved(books, lambda numbers: {n: served[n] for n in numbers if n in served})

    assert [line.split()[0] for line in found] == ["EDX-2", "EDX-3", "EDX-4", "EDX-5"]


def test_a_pointer_is_on_the_node_that_is_said_to_be_its_home(
    ring_servers: list[MemcachedServer], settings: Settings
) -> None:
    addresses = [server.address for server in ring_servers]
    settings.CACHES = caches.memcached(addresses, prefix="homes", timeout_seconds=60)
    home = homes.home_of(addresses, "homes")
    numbers = [f"EDX-{number}" for number in range(30)]

    for number in numbers:
        assert pointer.suspend("payment", number, 1)

    found: dict[str, list[str]] = {number: [] for number in numbers}
    for address in addresses:
        with closing(Client(address, timeout=5)) as client:
            for number in numbers:
                if client.get(f"homes:1:{keys.pointer_key('payment', number)}"):
                    found[number].append(address)
    assert found == {number: [home(number)] for number in numbers}
    assert {home(number) for number in numbers} == set(addresses)
