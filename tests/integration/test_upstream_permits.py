"""The count that processes share, on a real Redis."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from coordinator.upstream.permits import Allowance, PermitOutcome
from coordinator.upstream.shared_permits import SharedPermits, Unreachable
from tests.servers import RedisServer
from tests.unit.upstream.permits_contract import PermitsContract

WINDOW_SECONDS = 0.3


def shared(
    server: RedisServer, settle_seconds: float = 0, upstream: str | None = None
) -> SharedPermits:
    return SharedPermits(upstream or f"{uuid.uuid4().hex}:443", server.url, 5, settle_seconds)


def ask(permits: SharedPermits, holder: str = "a", rate: int = 5) -> PermitOutcome:
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
    """Yield a Redis of this test alone, which it may kill."""
    with RedisServer() as server:
        yield server


def test_two_processes_count_together(redis_server: RedisServer) -> None:
    upstream = f"{uuid.uuid4().hex}:443"
    one, other = shared(redis_server, 0, upstream), shared(redis_server, 0, upstream)
    ask(one)
    time.sleep(WINDOW_SECONDS)
    assert [ask(one, "a", 3), ask(other, "b", 3), ask(one, "c", 3)] == [PermitOutcome.GRANTED] * 3
    assert ask(other, "d", 3) is PermitOutcome.BUSY
    other.pause(60)
    assert ask(one, "e", 3) is PermitOutcome.PAUSED


def test_an_empty_store_grants_nothing_in_its_first_window(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    refused = permits.take("a", Allowance(5, 0, WINDOW_SECONDS), 60)
    assert refused.outcome is PermitOutcome.BUSY
    assert 0 < refused.wait_seconds <= WINDOW_SECONDS


def test_a_young_store_leaves_each_process_to_its_own_share(redis_server: RedisServer) -> None:
    permits = shared(redis_server, settle_seconds=2 * WINDOW_SECONDS)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    assert ask(permits) is PermitOutcome.SETTLING
    # It refuses also what does not fit in with what is known.
    for number in range(5):
        permits.note(str(number), Allowance(5, 0, WINDOW_SECONDS), 60)
    assert ask(permits) is PermitOutcome.BUSY


def test_a_process_that_comes_back_lets_all_keep_to_their_share_for_a_while(
    redis_server: RedisServer,
) -> None:
    permits = shared(redis_server, settle_seconds=2 * WINDOW_SECONDS)
    ask(permits)
    time.sleep(2 * WINDOW_SECONDS)
    assert ask(permits) is PermitOutcome.GRANTED
    back = permits.take("b", Allowance(5, 0, WINDOW_SECONDS), 60, returning=True)
    assert back.outcome is PermitOutcome.SETTLING
    assert ask(permits, "c") is PermitOutcome.SETTLING
    time.sleep(2 * WINDOW_SECONDS)
    assert ask(permits, "d") is PermitOutcome.GRANTED


def test_a_store_that_forgot_everything_begins_anew(own_redis: RedisServer) -> None:
    permits = shared(own_redis)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    assert ask(permits, "a") is PermitOutcome.GRANTED
    own_redis.kill()
    with pytest.raises(Unreachable):
        ask(permits, "b")
    own_redis.restart()
    assert ask(permits, "c") is PermitOutcome.BUSY
    time.sleep(WINDOW_SECONDS)
    assert ask(permits, "d") is PermitOutcome.GRANTED


def test_a_restart_between_two_calls_is_not_an_error(own_redis: RedisServer) -> None:
    permits = shared(own_redis)
    ask(permits)
    own_redis.kill()
    own_redis.restart()
    # The connection in the pool is dead, and a new one is made at once.
    assert ask(permits) is PermitOutcome.BUSY


def test_a_store_that_hangs_is_given_up_in_time(own_redis: RedisServer) -> None:
    permits = SharedPermits("hangs:443", own_redis.url, 0.2, 0)
    ask(permits)
    own_redis.pause()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        ask(permits)
    assert time.monotonic() - began < 5
    own_redis.resume()


def test_what_a_hanging_store_grants_too_late_is_not_kept(own_redis: RedisServer) -> None:
    permits = SharedPermits("hangs:443", own_redis.url, 0.3, 0)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    own_redis.pause()
    with pytest.raises(Unreachable):
        ask(permits, "gone", rate=1)
    time.sleep(0.3)
    own_redis.resume()
    assert ask(permits, "here", rate=1) is PermitOutcome.GRANTED


def test_a_store_whose_clock_has_changed_is_understood(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    for seconds in (-3600, 3600):
        assert permits._ahead_seconds is not None
        permits._ahead_seconds += seconds
        assert ask(permits, str(seconds)) is PermitOutcome.GRANTED


def test_it_tells_how_many_permits_are_left(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    assert permits.remaining(3) == 3
    for holder in ("a", "b"):
        permits.take(holder, Allowance(3, 0, WINDOW_SECONDS), 60)
    assert permits.remaining(3) == 1
    # The setting was lowered.
    assert permits.remaining(1) == -1


def test_its_keys_expire(redis_server: RedisServer) -> None:
    permits = shared(redis_server)
    ask(permits)
    time.sleep(WINDOW_SECONDS)
    ask(permits)
    permits.pause(60)
    with redis.Redis.from_url(redis_server.url) as connection:
        assert connection.exists(*permits._keys) == 3
        assert all(0 < connection.pttl(key) <= 86_400_000 for key in permits._keys)
