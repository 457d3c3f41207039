"""The doorbell: wakes a worker once, and is no obstacle when nobody can hear it."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from coordinator.celery import doorbell, hints, tasks
from coordinator.core import cache
from coordinator.ledger.recording import Recording
from tests.processes import HOST, free_port
from tests.servers import RedisServer
from tests.support.brokers import Messages, broker
from tests.support.payments import record
from tests.support.settling import states
from tests.support.threads import at_once
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


@pytest.fixture(autouse=True)
def heard_before() -> Iterator[None]:
    """Let each test begin with a broker that has not just failed."""
    hints._start_afresh()
    yield
    hints._start_afresh()


@pytest.fixture
def messages(redis_server: RedisServer) -> Iterator[Messages]:
    """Let the broker be a real Redis, and return what waits in its queues."""
    waiting = Messages(redis_server.url)
    with broker(redis_server.url, global_keyprefix=waiting.prefix):
        yield waiting
    waiting.close()


@pytest.fixture
def no_broker() -> Iterator[None]:
    """Let the broker be a Redis that is not there."""
    with broker(f"redis://{HOST}:{free_port()}/0"):
        yield


@pytest.fixture
def failed() -> Iterator[list[str]]:
    """Return the list of the hints that are tried, and fail."""
    names: list[str] = []

    class Hearing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            names.append(record.__dict__["task"])

    hearing = Hearing()
    hints.logger.addHandler(hearing)
    yield names
    hints.logger.removeHandler(hearing)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that makes LocMemCache believe that so many seconds have passed."""

    def passing(seconds: float) -> None:
        real = time.time()
        monkeypatch.setattr("time.time", lambda: real + seconds)

    return passing


def test_ringing_while_it_rings_sends_no_second_message(messages: Messages) -> None:
    assert doorbell.ring() is True
    assert doorbell.ring() is False
    assert messages.waiting() == 1


def test_many_who_ring_at_once_send_one_message(messages: Messages, each_cache: str) -> None:
    rings = at_once([doorbell.ring] * 16)
    assert sorted(map(str, rings)) == ["False"] * 15 + ["True"]
    assert messages.waiting() == 1


def test_a_change_rings_after_its_commit(messages: Messages) -> None:
    record("processing", at=1)
    record("succeeded", at=2)
    assert messages.waiting() == 1


def test_once_it_is_cleared_the_next_one_rings_anew(messages: Messages) -> None:
    doorbell.ring()
    doorbell.clear()
    assert doorbell.ring() is True
    assert messages.waiting() == 2


def test_a_ring_whose_message_was_lost_does_not_silence_others_for_long(
    messages: Messages, pass_time: Callable[[float], None]
) -> None:
    doorbell.ring()
    pass_time(9)
    assert doorbell.ring() is False
    pass_time(2)
    assert doorbell.ring() is True


def test_settling_clears_the_bell_before_it_reads_the_log(
    messages: Messages, upstream: Upstream
) -> None:
    record("processing", at=1)
    assert messages.waiting() == 1
    # In the middle of the work the next change comes: the bell is clear, so it rings.
    upstream.does_first("EDX-1", lambda: record("succeeded", at=2))
    tasks.settle()
    assert messages.waiting() == 2
    tasks.settle()
    assert states() == {"warmed": 2}


def test_a_full_page_rings_for_whoever_is_free(messages: Messages, settings: Settings) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 2
    for number in range(3):
        record("processing", at=1, number=f"EDX-{number}")
    assert messages.waiting() == 1
    tasks.settle()
    assert messages.waiting() == 2
    tasks.settle()
    assert messages.waiting() == 2
    assert states() == {"warmed": 3}


def test_what_is_due_shortly_is_rung_for_once(messages: Messages) -> None:
    assert doorbell.ring_later(2.0) is True
    assert doorbell.ring_later(1.0) is False
    assert messages.waiting() == 1
    assert doorbell.ring() is True, "what is due now does not wait for what is due later"


def test_a_postponed_change_is_rung_for_later(messages: Messages, upstream: Upstream) -> None:
    record("processing", at=1)
    upstream.fails_once("EDX-1", ValueError())
    tasks.settle()
    assert messages.waiting() == 2


# -- nobody hears ------------------------------------------------------------------------------


def test_without_a_broker_a_change_still_commits_and_asks_for_it_only_once(
    no_broker: None, failed: list[str]
) -> None:
    assert record("processing", at=1).outcome is Recording.APPLIED
    assert failed == ["settle"]
    assert states() == {"": 1}


def test_a_ring_that_nobody_heard_lets_the_next_one_ring(
    no_broker: None, messages_later: Callable[[], Messages]
) -> None:
    assert doorbell.ring() is False
    hints._start_afresh()
    waiting = messages_later()
    assert doorbell.ring() is True
    assert waiting.waiting() == 1


@pytest.fixture
def messages_later(redis_server: RedisServer) -> Iterator[Callable[[], Messages]]:
    """Return a function that brings the broker back."""
    waiting = Messages(redis_server.url)
    back = broker(redis_server.url, global_keyprefix=waiting.prefix)

    def bring() -> Messages:
        back.__enter__()
        return waiting

    yield bring
    back.__exit__(None, None, None)
    waiting.close()


def test_after_a_failure_the_broker_is_left_alone_for_a_moment(
    no_broker: None, failed: list[str]
) -> None:
    doorbell.ring()
    assert failed == ["settle"]
    for _ in range(100):
        assert doorbell.ring() is False
    assert failed == ["settle"], "each of them tried to connect"


def test_without_a_cache_it_rings_once_too_often_rather_than_never(
    messages: Messages, no_cache: None
) -> None:
    assert doorbell.ring() is True
    assert doorbell.ring() is True
    assert messages.waiting() == 2
    assert doorbell.ring_later(1.0) is False


def test_the_bell_is_not_remembered_in_the_request_tier(messages: Messages) -> None:
    doorbell.ring()
    cache.get_entries([doorbell._KEY])
    doorbell.clear()
    assert doorbell.ring() is True
