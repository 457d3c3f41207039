"""Hints cost no request more than a moment, whatever the broker does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from coordinator.celery import doorbell, hints
from coordinator.core import cache
from coordinator.core.read import read as find
from coordinator.core.resource import Resource
from tests.servers import RedisServer
from tests.support.brokers import Messages, broker
from tests.support.clocks import ManualClock
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.threads import at_once

READERS = 40

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    """Let each test begin with a publisher that knows of no failure."""
    hints._start_afresh()
    yield
    hints._start_afresh()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """Yield a Redis of the test's own, which is the broker: it is made to hang."""
    with RedisServer() as server, broker(server.url):
        yield server


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of hints for which the broker was asked, as far as that came."""
    names: list[str] = []
    real = hints._Publisher._connect

    def connect(self: hints._Publisher, app: object) -> object:
        names.append("connect")
        return real(self, app)  # type: ignore[arg-type]

    monkeypatch.setattr(hints._Publisher, "_connect", connect)
    return names


@pytest.fixture
def due(payments: Resource, manual_clock: ManualClock) -> list[str]:
    """Return the numbers of warm payments whose entries are due for a refresh."""
    numbers = [f"EDX-{number}" for number in range(READERS)]
    for number in numbers:
        record("processing", at=1, number=number)
    settle()
    manual_clock.moved = 1600
    return numbers


def read(payments: Resource, number: str) -> Callable[[], object]:
    """Return what reads a payment as a request does."""

    def reads() -> object:
        cache.clear_request_tier()
        return find(payments, number).entry

    return reads


def ring_anew() -> bool:
    doorbell.clear()
    return doorbell.ring()


def test_of_many_who_read_what_is_due_while_the_broker_hangs_one_asks_it(
    redis: RedisServer, payments: Resource, due: list[str], tried: list[str]
) -> None:
    hints._start_afresh()
    tried.clear()
    redis.pause()

    found = at_once([read(payments, number) for number in due])

    assert all(found), "a reader got no entry"
    assert not any(isinstance(one, BaseException) for one in found)
    assert len(tried) == 1


def test_many_who_ring_while_the_broker_hangs_ask_it_once_in_each_quiet_period(
    redis: RedisServer, manual_clock: ManualClock, tried: list[str]
) -> None:
    doorbell.ring()
    doorbell.clear()
    tried.clear()
    redis.pause()
    for period in range(1, 4):
        rings = at_once([ring_anew] * READERS)

        assert rings == [False] * READERS
        assert len(tried) == period
        manual_clock.moved += hints._QUIET_SECONDS


def test_bells_and_refreshes_are_quiet_together(
    redis: RedisServer, payments: Resource, due: list[str], tried: list[str]
) -> None:
    redis.pause()
    hints._start_afresh()
    tried.clear()
    assert doorbell.ring() is False
    for number in due:
        read(payments, number)()
    assert len(tried) == 1


def test_a_reader_whose_hint_is_lost_leaves_the_next_one_to_tell(
    redis: RedisServer, payments: Resource, due: list[str], manual_clock: ManualClock
) -> None:
    with closing(Messages(redis.url, alone=True)) as messages:
        redis.pause()
        hints._start_afresh()
        read(payments, due[0])()
        redis.resume()
        manual_clock.moved += hints._QUIET_SECONDS
        read(payments, due[0])()
        assert messages.waiting("warm") == 1


def test_in_health_each_of_many_hints_is_sent_once(
    redis: RedisServer, payments: Resource, due: list[str]
) -> None:
    with closing(Messages(redis.url, alone=True)) as messages:
        at_once([read(payments, number) for number in due])
        # A hint that came while a turn took long was not sent; the next reader tells again.
        for number in due:
            read(payments, number)()
        assert messages.waiting("warm") == READERS


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/0",
        "sentinel://127.0.0.1:1/0",
        "rediss://127.0.0.1:1/0?ssl_cert_reqs=perhaps",
        "redis://127.0.0.1:1/no-number",
        "nothing://known",
        "no address",
        "redis://[::1/0",
        "amqp://127.0.0.1:1//",
    ],
)
def test_a_ring_raises_nothing_whatever_the_address(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with broker(url), caplog.at_level(logging.WARNING):
        hints._start_afresh()
        assert doorbell.ring() is False
    assert "hint.unsent" in caplog.text


def test_a_process_that_was_forked_has_a_connection_of_its_own(redis: RedisServer) -> None:
    doorbell.ring()
    before = hints._publisher._connection
    hints._start_afresh()
    doorbell.clear()
    assert doorbell.ring() is True
    assert hints._publisher._connection is not before
