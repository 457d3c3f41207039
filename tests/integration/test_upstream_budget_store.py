"""What a budget does when its store dies, step by step: two budgets stand for two processes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pytest_django import Settings

from coordinator.upstream import budget
from coordinator.upstream.budget import Budget
from coordinator.upstream.deadlines import Deadline
from coordinator.upstream.errors import UpstreamBudgetSpent, UpstreamRateLimited
from tests.servers import RedisServer

pytestmark = pytest.mark.slow

BUDGET = 12
PROCESSES = 3
SHARE = BUDGET // PROCESSES
STORE_TIMEOUT_SECONDS = 0.5


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Yield a Redis that nobody else minds losing."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def two(
    own_redis: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Budget, Budget]:
    """Return two budgets for one upstream that trust their store."""
    settings.COORDINATOR_UPSTREAM_BUDGET_RPS = BUDGET
    settings.COORDINATOR_UPSTREAM_SHARES = {"event": 1.0}
    settings.COORDINATOR_BUDGET_URL = own_redis.url
    settings.COORDINATOR_BUDGET_PROCESSES = PROCESSES
    # As short as they may be, for the sake of the tests' time.
    monkeypatch.setattr(budget, "DOWN_SECONDS", 0.1)
    monkeypatch.setattr(budget, "_SETTLE_SLACK_SECONDS", 0.0)
    upstream = f"{uuid.uuid4().hex}:443"
    one, other = (Budget(upstream, own_redis.url, STORE_TIMEOUT_SECONDS) for _ in range(2))
    _wait_until_granted(one, BUDGET)
    time.sleep(1)
    return one, other


def granted(of: Budget, at_most: int = BUDGET + 1) -> int:
    """Return how many permits background work gets at this moment, given back at once."""
    count = 0
    while count < at_most:
        try:
            with of.permit("event", Deadline(60)):
                count += 1
        except UpstreamBudgetSpent:
            break
    return count


@contextmanager
def holding(of: Budget, times: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(times):
            stack.enter_context(of.permit("event", Deadline(60)))
        yield


def _wait_until_granted(of: Budget, number: int) -> None:
    """Return once `of` grants `number` permits at once."""
    end = time.monotonic() + 30
    while granted(of) < number:
        assert time.monotonic() < end, "the store was never trusted"
        time.sleep(1.05)


def test_what_one_process_uses_the_other_can_not(two: tuple[Budget, Budget]) -> None:
    one, other = two
    assert granted(one, BUDGET - 2) == BUDGET - 2
    assert granted(other) == 2
    assert one.remaining() == other.remaining() == 0


def test_one_that_used_nothing_is_silent_when_the_store_dies(
    two: tuple[Budget, Budget], own_redis: RedisServer
) -> None:
    one, other = two
    assert granted(one) == BUDGET
    own_redis.kill()
    # It can't know that the first has just used up everything.
    assert granted(other) == 0
    time.sleep(1.05)
    assert granted(other) == SHARE


def test_one_that_used_nothing_is_silent_when_the_store_has_forgotten(
    two: tuple[Budget, Budget], own_redis: RedisServer
) -> None:
    one, other = two
    assert granted(one) == BUDGET
    own_redis.kill()
    own_redis.restart()
    assert granted(other) == 0
    time.sleep(1.05)
    assert granted(other) == SHARE


def test_what_is_still_under_way_when_the_store_dies_counts_against_the_share(
    two: tuple[Budget, Budget], own_redis: RedisServer
) -> None:
    one, other = two
    with holding(one, SHARE):
        own_redis.kill()
        assert granted(one) == 0
        assert granted(other) == 0
        time.sleep(1.05)
        assert granted(one) == 0
        assert granted(other) == SHARE


def test_with_the_store_back_all_keep_to_their_shares_until_everybody_can_know(
    two: tuple[Budget, Budget], own_redis: RedisServer
) -> None:
    one, other = two
    own_redis.pause()
    granted(one)
    own_redis.resume()
    time.sleep(1.05)
    assert granted(one) == SHARE
    # The second never noticed; it hears of it from the store, which kept its count.
    assert granted(other) == SHARE
    _wait_until_granted(one, BUDGET)


def test_a_pause_reaches_the_other_process_and_stays_in_this_one_without_a_store(
    two: tuple[Budget, Budget], own_redis: RedisServer
) -> None:
    one, other = two
    one.pause(60)
    with pytest.raises(UpstreamRateLimited), other.permit("event", Deadline(60)):
        pytest.fail("nobody told it")
    own_redis.kill()
    with pytest.raises(UpstreamRateLimited), one.permit("event", Deadline(60)):
        pytest.fail("forgotten")


def test_while_the_store_hangs_only_one_call_a_while_waits_for_it(
    two: tuple[Budget, Budget], own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    monkeypatch.setattr(budget, "DOWN_SECONDS", 60.0)
    own_redis.pause()
    granted(one)
    began = time.monotonic()
    for _ in range(20):
        granted(one)
    assert time.monotonic() - began < 20 * STORE_TIMEOUT_SECONDS / 2
    own_redis.resume()
