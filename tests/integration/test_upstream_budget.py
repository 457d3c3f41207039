"""Several real processes, one budget, and a server that counts what arrives."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.servers import RedisServer
from tests.unit.upstream.misbehaving import Upstream, answer, busiest_second, running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 40
# More than run in any test, so that their shares together are well below the whole.
CONFIGURED_PROCESSES = 8


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Yield a Redis that nobody else minds losing."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield an upstream that needs a moment for each answer."""
    with running(answer(after_seconds=0.02)) as server:
        yield server


@contextmanager
def asking(
    upstream: Upstream,
    redis: RedisServer,
    processes: int,
    seconds: float,
    *,
    limits: Mapping[str, float] | None = None,
) -> Iterator[list[subprocess.Popen[str]]]:
    """Yield so many processes, each with eight threads that ask for so long."""
    order = {
        "url": upstream.url,
        "seconds": seconds,
        "threads": 8,
        "settings": {
            "COORDINATOR_UPSTREAM_BUDGET_RPS": BUDGET,
            "COORDINATOR_BUDGET_URL": redis.url,
            "COORDINATOR_BUDGET_PROCESSES": CONFIGURED_PROCESSES,
            **{f"COORDINATOR_UPSTREAM_{name}": limit for name, limit in (limits or {}).items()},
        },
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.upstream_load", json.dumps(order)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def outcome_of(processes: list[subprocess.Popen[str]]) -> Counter[str]:
    """Return what came of all calls of all processes, once they have ended."""
    total: Counter[str] = Counter()
    for process in processes:
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        total.update(json.loads(told.splitlines()[-1]))
    return total


def test_no_second_sees_more_than_the_budget(upstream: Upstream, redis_server: RedisServer) -> None:
    with asking(upstream, redis_server, processes=4, seconds=8) as processes:
        came = outcome_of(processes)
    arrivals = upstream.arrivals
    assert busiest_second(arrivals) <= BUDGET
    # And it is used, once the store is trusted: well beyond what four shares are.
    settled = [moment for moment in arrivals if moment > arrivals[0] + 4]
    assert busiest_second(settled) > 0.8 * BUDGET
    assert came["answered"] == len(arrivals)


def test_no_more_are_under_way_at_a_time_than_permitted(redis_server: RedisServer) -> None:
    with (
        running(answer(after_seconds=0.05)) as upstream,
        asking(
            upstream,
            redis_server,
            processes=3,
            seconds=5,
            limits={"BUDGET_RPS": 0, "BUDGET_CONCURRENT": 5},
        ) as processes,
    ):
        outcome_of(processes)
    # Each answer takes 50 ms, so more than five in any 50 ms were under way together.
    arrivals = sorted(upstream.arrivals)
    assert len(arrivals) > 50
    together = [later - first for first, later in zip(arrivals, arrivals[5:], strict=False)]
    assert min(together) >= 0.05


def test_redis_may_die_and_come_back_empty(upstream: Upstream, own_redis: RedisServer) -> None:
    with asking(upstream, own_redis, processes=3, seconds=16) as processes:
        _wait_for(upstream, seconds=5)
        own_redis.kill()
        died = time.monotonic()
        time.sleep(4)
        own_redis.restart()
        back = time.monotonic()
        outcome_of(processes)
    arrivals = upstream.arrivals
    assert busiest_second(arrivals) <= BUDGET
    # Without Redis the processes go on with their shares, and with it they use the whole again.
    shares = 3 * (BUDGET // CONFIGURED_PROCESSES)
    meanwhile = [moment for moment in arrivals if died + 1.5 < moment < back]
    assert 0 < busiest_second(meanwhile) <= shares
    end = max(arrivals)
    assert busiest_second([moment for moment in arrivals if moment > end - 3]) > shares


def test_redis_may_hang_and_go_on_with_what_it_knew(
    upstream: Upstream, own_redis: RedisServer
) -> None:
    with asking(upstream, own_redis, processes=3, seconds=14) as processes:
        _wait_for(upstream, seconds=5)
        own_redis.pause()
        hung = time.monotonic()
        time.sleep(3)
        own_redis.resume()
        outcome_of(processes)
    arrivals = upstream.arrivals
    assert busiest_second(arrivals) <= BUDGET
    assert [moment for moment in arrivals if hung + 1.5 < moment < hung + 3]


def test_a_429_silences_every_process(upstream: Upstream, redis_server: RedisServer) -> None:
    with asking(upstream, redis_server, processes=3, seconds=8) as processes:
        _wait_for(upstream, seconds=4)
        slow_down = answer(429, headers={"Retry-After": "2"})
        upstream.answer_with(slow_down, answer(after_seconds=0.02))
        came = outcome_of(processes)
    assert came["upstream_rate_limited"]
    arrivals = sorted(upstream.arrivals)
    silences = [later - first for first, later in pairwise(arrivals)]
    # Those that were on their way already still arrive; after that, nobody for two seconds.
    assert max(silences) > 1.5


def test_the_death_of_a_process_returns_its_permits(
    upstream: Upstream, redis_server: RedisServer
) -> None:
    limits = {
        "COORDINATOR_UPSTREAM_BUDGET_CONCURRENT": 4,
        "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS": 2,
    }
    upstream.answer_with(answer(after_seconds=1))
    with asking(upstream, redis_server, processes=2, seconds=60, limits=limits) as doomed:
        _wait_for(upstream, seconds=1)
        for process in doomed:
            process.kill()
        upstream.answer_with(answer())
        with asking(upstream, redis_server, processes=1, seconds=6, limits=limits) as processes:
            assert outcome_of(processes)["answered"] > 10


def _wait_for(upstream: Upstream, seconds: float) -> None:
    """Return when `seconds` have passed since the first request came."""
    end = time.monotonic() + 60
    while not upstream.requests:
        assert time.monotonic() < end, "nobody asked"
        time.sleep(0.02)
    time.sleep(seconds)
