"""The count that processes share, on a real Redis."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import cast

import pytest
import redis
from limits.strategies import MovingWindowRateLimiter

from coordinator.upstream.permits import Allowance, Outcome
from coordinator.upstream.shared_permits import Rate, SharedPermits, Unreachable
from tests.servers import RedisServer
from tests.unit.upstream.permits_contract import PermitsContract

WINDOW_SECONDS = 0.3


def shared(server: RedisServer, settle_seconds: float = 0) -> SharedPermits:
    return SharedPermits(f"{uuid.uuid4().hex}:443", server.url, 5, settle_seconds)


def ask(permits: SharedPermits, holder: str = "a", rate: int = 5) -> Outcome:
    return permits.take(holder, Allowance(rate, 0, WINDOW_SECONDS), 60).outcome


class TestSharedPermits(PermitsContract):
    window_seconds = WINDOW_SECONDS

    @pytest.fixture
    def permits(self, redis_server: RedisServer) -> SharedPermits:
        permits = shared(redis_server)
        # Redis finds the store empty and waits a window, because others may have used it up.
        ask(permits)
        time.sleep(WINDOW_SECONDS)
        return permits

    @pytest.fixture
    def pass_by(self) -> Callable[[float], None]:
        return time.sleep


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Yield a Redis that nobody else minds losing."""
    with RedisServer() as server:
        yield server


def test_two_processes_count_together(redis_server: RedisServer) -> None:
    one = shared(redis_server)
    other = SharedPermits(one._upstream, redis_server.url, 5, 0)
    ask(one)
    time.sleep(WINDOW_SECONDS)
    assert [ask(one, "a", 3), ask(other, "b", 3), ask(one, "c", 3)] == [Outcome.GRANTED] * 3
    assert ask(other, "d", 3) is Outcome.BUSY
    other.pause(60)
    assert ask(one, "e", 3) is Outcome.PAUSED


def test_an_empty_store_grants_nothing_in_its_first_window(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    refused = permits.take("a", Allowance(5, 0, WINDOW_SECONDS), 60)
    assert refused.outcome is Outcome.BUSY
    assert 0 < refused.wait_seconds <= WINDOW_SECONDS


def test_a_young_store_leaves_each_process_to_its_own_share(redis_server: RedisServer) -> None:
    permits = shared(redis_server, settle_seconds=2 * WINDOW_SECONDS)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    assert ask(permits) is Outcome.SETTLING
    # It refuses also what does not fit in with what is known.
    for number in range(5):
        permits.note(str(number), Allowance(5, 0, WINDOW_SECONDS), 60)
    assert ask(permits) is Outcome.BUSY


def test_who_comes_back_lets_everybody_keep_to_their_share_for_a_while(
    redis_server: RedisServer,
) -> None:
    permits = shared(redis_server, settle_seconds=2 * WINDOW_SECONDS)
    ask(permits)
    time.sleep(2 * WINDOW_SECONDS)
    assert ask(permits) is Outcome.GRANTED
    back = permits.take("b", Allowance(5, 0, WINDOW_SECONDS), 60, returning=True)
    assert back.outcome is Outcome.SETTLING
    assert ask(permits, "c") is Outcome.SETTLING
    time.sleep(2 * WINDOW_SECONDS)
    assert ask(permits, "d") is Outcome.GRANTED


def test_a_store_that_forgot_everything_begins_anew(own_redis: RedisServer) -> None:
    permits = shared(own_redis)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    assert ask(permits, "a") is Outcome.GRANTED
    own_redis.kill()
    with pytest.raises(Unreachable):
        ask(permits, "b")
    own_redis.restart()
    assert ask(permits, "c") is Outcome.BUSY
    time.sleep(WINDOW_SECONDS)
    assert ask(permits, "d") is Outcome.GRANTED


def test_a_restart_between_two_calls_is_not_an_error(own_redis: RedisServer) -> None:
    permits = shared(own_redis)
    ask(permits)
    own_redis.kill()
    own_redis.restart()
    # The connection in the pool is dead, and a new one is made at once.
    assert ask(permits) is Outcome.BUSY


def test_a_store_that_hangs_is_given_up_in_time(own_redis: RedisServer) -> None:
    permits = SharedPermits("hangs:443", own_redis.url, 0.2, 0)
    ask(permits)
    own_redis.pause()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        ask(permits)
    assert time.monotonic() - began < 5
    own_redis.resume()


def test_what_a_hanging_store_grants_too_late_is_kept_for_nobody(own_redis: RedisServer) -> None:
    permits = SharedPermits("hangs:443", own_redis.url, 0.3, 0)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    own_redis.pause()
    with pytest.raises(Unreachable):
        ask(permits, "nobody", rate=1)
    time.sleep(0.3)
    own_redis.resume()
    assert ask(permits, "somebody", rate=1) is Outcome.GRANTED


def test_a_store_whose_clock_has_changed_is_understood(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    for seconds in (-3600, 3600):
        assert permits._ahead_seconds is not None
        permits._ahead_seconds += seconds
        assert ask(permits, str(seconds)) is Outcome.GRANTED


def test_the_strategies_of_limits_run_on_it(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    upstream, limiter, rate = permits._upstream, MovingWindowRateLimiter(permits), Rate(3)
    limiter.hit(rate, upstream)
    time.sleep(1)
    assert [limiter.hit(rate, upstream) for _ in range(2)] == [True, True]
    assert limiter.get_window_stats(rate, upstream).remaining == 1
    assert limiter.test(rate, upstream)
    assert not limiter.hit(rate, upstream, cost=2)
    assert not limiter.hit(rate, upstream, cost=9)
    assert limiter.hit(rate, upstream)
    stats = limiter.get_window_stats(rate, upstream)
    assert stats.remaining == 0
    assert 0 < stats.reset_time - time.time() <= 1
    assert permits.remaining(3) == 0


def test_its_keys_expire(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    ask(permits)
    permits.pause(60)
    connection = cast(redis.Redis, permits.get_connection())
    keys = list(connection.scan_iter(f"coordinator:*{permits._upstream}*"))
    assert len(keys) == 3
    assert all(0 < connection.pttl(key) <= 86_400_000 for key in keys)
