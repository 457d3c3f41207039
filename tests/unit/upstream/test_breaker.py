import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from coordinator.upstream import breaker, conf, events
from coordinator.upstream.breaker import Breaker
from coordinator.upstream.errors import UpstreamCircuitOpen
from tests.unit.upstream.conftest import Clock


@pytest.fixture
def watched(clock: Clock) -> Breaker:
    """Return a breaker that opens after three failures, for ten seconds."""
    return Breaker("api.example:443", conf.BreakerSettings(3, 10), clock)


def fail(watched: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with watched.watching() as result:
            result.failed()


def succeed(watched: Breaker) -> None:
    with watched.watching() as result:
        result.answered()


def test_it_opens_after_so_many_failures_in_a_row(watched: Breaker) -> None:
    fail(watched, 2)
    assert watched.state == "closed"
    fail(watched)
    assert watched.state == "open"


def test_a_success_starts_the_count_again(watched: Breaker) -> None:
    fail(watched, 2)
    succeed(watched)
    fail(watched, 2)
    assert watched.state == "closed"


def test_a_call_that_told_nothing_changes_nothing(watched: Breaker) -> None:
    fail(watched, 2)
    with watched.watching():
        pass
    with pytest.raises(KeyError), watched.watching():
        raise KeyError
    assert watched.state == "closed"
    fail(watched)
    assert watched.state == "open"


def test_while_it_is_open_calls_fail_at_once_and_say_when_to_come_back(
    watched: Breaker, clock: Clock
) -> None:
    fail(watched, 3)
    clock.pass_by(4)
    with pytest.raises(UpstreamCircuitOpen) as caught, watched.watching():
        pytest.fail("the call went out")
    assert caught.value.retry_after_seconds == 6
    assert not caught.value.burns_attempt
    assert not caught.value.permanent


def test_after_its_rest_one_call_tries_while_the_others_still_fail(
    watched: Breaker, clock: Clock
) -> None:
    fail(watched, 3)
    clock.pass_by(10)
    with watched.watching() as probe:
        assert watched.state == "half-open"
        for _ in range(3):
            with pytest.raises(UpstreamCircuitOpen), watched.watching():
                pytest.fail("two at a time")
        probe.answered()
    assert watched.state == "closed"
    succeed(watched)


def test_of_many_threads_one_is_the_probe(watched: Breaker, clock: Clock) -> None:
    fail(watched, 3)
    clock.pass_by(10)
    start, out = Barrier(8), Barrier(8)

    def try_it(_: int) -> int:
        start.wait()
        try:
            with watched.watching() as result:
                # All have tried before the probe ends.
                out.wait()
                result.answered()
                return 1
        except UpstreamCircuitOpen:
            out.wait()
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(8))) == 1
    assert watched.state == "closed"


def test_a_probe_that_fails_opens_it_for_another_rest(watched: Breaker, clock: Clock) -> None:
    fail(watched, 3)
    clock.pass_by(10)
    fail(watched)
    assert watched.state == "open"
    clock.pass_by(9)
    with pytest.raises(UpstreamCircuitOpen), watched.watching():
        pytest.fail("too early")
    clock.pass_by(1)
    succeed(watched)
    assert watched.state == "closed"


def test_a_probe_that_told_nothing_leaves_the_turn_to_the_next(
    watched: Breaker, clock: Clock
) -> None:
    fail(watched, 3)
    clock.pass_by(10)
    with watched.watching():
        pass
    assert watched.state == "half-open"
    succeed(watched)
    assert watched.state == "closed"


def test_calls_that_left_before_it_opened_have_no_say_any_more(
    watched: Breaker, clock: Clock
) -> None:
    with watched.watching() as late_success, watched.watching() as late_failure:
        fail(watched, 3)
        clock.pass_by(9)
        late_success.answered()
        late_failure.failed()
    assert watched.state == "open"
    # Neither has moved the moment of the probe.
    clock.pass_by(1)
    succeed(watched)
    assert watched.state == "closed"


def test_many_calls_are_under_way_at_the_same_time(watched: Breaker) -> None:
    together = Barrier(8)

    def call(_: int) -> None:
        with watched.watching() as result:
            together.wait(timeout=10)
            result.answered()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))


def test_each_change_is_told_once_and_logged(
    watched: Breaker,
    clock: Clock,
    happened: list[events.UpstreamEvent],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        fail(watched, 3)
        clock.pass_by(10)
        succeed(watched)
    host = "api.example:443"
    assert happened == [
        events.BreakerChanged(host, "closed", "open"),
        events.BreakerChanged(host, "open", "half-open"),
        events.BreakerChanged(host, "half-open", "closed"),
    ]
    assert [record.getMessage() for record in caplog.records] == ["breaker.changed"] * 3


def test_each_upstream_has_its_own() -> None:
    one, other = breaker.of("a:1"), breaker.of("b:1")
    assert breaker.of("a:1") is one
    fail(one, 5)
    assert one.state == "open"
    assert other.state == "closed"
