"""Workers and the beat live through what happens to their Redis, and work on without a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis as redis_py

from coordinator.operations.health import broker as health
from tests.integration.workers.living import Program, program, says, send, worker
from tests.servers import RedisServer, SentinelServer

#: Longer than a moment, and far from half a minute.
LONGEST_WAIT_SECONDS = 5.0

pytestmark = pytest.mark.slow
POOLS = ["threads", "prefork"]


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """Yield a Redis of the test's own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def other(redis_server: RedisServer) -> Iterator[RedisServer]:
    """Yield a second one."""
    with RedisServer() as server:
        yield server


Fault = tuple[Callable[[RedisServer, RedisServer], object], Callable[[RedisServer], object]]

FAULTS: dict[str, Fault] = {
    "it becomes a replica": (RedisServer.follow, RedisServer.lead),
    "it lacks replicas": (
        lambda redis, _: redis.tell("CONFIG", "SET", "min-replicas-to-write", "1"),
        lambda redis: redis.tell("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "it is killed": (lambda redis, _: redis.kill(), RedisServer.restart),
    "it hangs": (lambda redis, _: redis.pause(), RedisServer.resume),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_worker_works_on_after(
    name: str, pool: str, redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    begin, end = FAULTS[name]
    with worker(tmp_path, redis.url, pool) as running:
        work(running, redis.url, tmp_path / "before")
        begin(redis, other)
        running.until(lambda: running.attempts() >= 1)
        end(redis)
        work(running, redis.url, tmp_path / "after")

        assert_it_waited(running)


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_that_is_started_against_a_replica_waits_until_it_is_a_master(
    pool: str, redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    redis.follow(other)
    with worker(tmp_path, redis.url, pool) as running:
        running.until(lambda: running.attempts() >= 2)
        redis.lead()
        work(running, redis.url, tmp_path / "after")

        assert_it_waited(running)


@pytest.mark.parametrize("name", FAULTS)
def test_the_beat_beats_on_after(
    name: str, redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    begin, end = FAULTS[name]
    with beat(tmp_path, redis.url) as running:
        running.until(lambda: rung(redis.port) > 0)
        begin(redis, other)
        running.until(lambda: "SchedulingError" in running.says())
        end(redis)
        before = rung(redis.port)
        running.until(lambda: rung(redis.port) > before)

        assert running.lives(), running.says()


def test_a_beat_that_is_started_against_a_replica_waits_until_it_is_a_master(
    redis: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    redis.follow(other)
    with beat(tmp_path, redis.url) as running:
        running.until(lambda: running.attempts() >= 2)
        redis.lead()
        running.until(lambda: rung(redis.port) > 0)

        assert_it_waited(running)


# -- Sentinel ----------------------------------------------------------------------------------

GONE: dict[str, Callable[[RedisServer, SentinelServer], object]] = {
    "is killed": lambda master, _: master.kill(),
    "hangs": lambda master, _: master.pause(),
    "hands over": lambda _, sentinel: sentinel.hand_over(),
}


@pytest.fixture
def sentinel(redis: RedisServer, other: RedisServer) -> Iterator[SentinelServer]:
    """Yield a Sentinel with a password, whose master is `redis` with `other` for a replica."""
    other.follow(redis)
    with SentinelServer(redis, password="word") as server:
        yield server


def test_the_health_of_a_sentinels_master_is_told(sentinel: SentinelServer) -> None:
    options = {"master_name": sentinel.NAME, "sentinel_kwargs": {"password": "word"}}

    assert health.answers(sentinel.url, 2.0, options)
    with pytest.raises(redis_py.RedisError):
        health.answers(sentinel.url, 2.0, {**options, "sentinel_kwargs": {}})
    with pytest.raises(redis_py.RedisError):
        health.answers(sentinel.url, 2.0, {**options, "master_name": "another"})


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("how", GONE)
def test_worker_and_beat_go_on_with_the_next_master_when_theirs(
    how: str,
    pool: str,
    redis: RedisServer,
    other: RedisServer,
    sentinel: SentinelServer,
    tmp_path: Path,
) -> None:
    names = {
        "CELERY_BROKER_SENTINEL_MASTER": sentinel.NAME,
        "CELERY_BROKER_SENTINEL_PASSWORD": "word",
    }
    options = {"master_name": sentinel.NAME, "sentinel_kwargs": {"password": "word"}}
    with (
        worker(tmp_path, sentinel.url, pool, **names) as working,
        beat(tmp_path, sentinel.url, **names) as beating,
    ):
        working.until(sentinel.knows_a_replica)
        send(sentinel.url, tmp_path / "before", 0.0, options)
        working.until(says(tmp_path / "before", "done"))
        beating.until(lambda: rung(redis.port) > 0)

        GONE[how](redis, sentinel)
        working.until(lambda: sentinel.master_port() == other.port)
        send(sentinel.url, tmp_path / "after", 0.0, options)
        working.until(says(tmp_path / "after", "done"))
        before = rung(other.port)
        beating.until(lambda: rung(other.port) > before)

        assert_it_waited(working)
        assert beating.lives(), beating.says()


# ----------------------------------------------------------------------------------------------


def beat(directory: Path, url: str, **variables: str) -> AbstractContextManager[Program]:
    """Run a beat that rings each second."""
    every = {"COORDINATOR_SETTLE_EVERY_SECONDS": "1"}
    return program(directory, url, "beat", "-s", str(directory / "beats"), **every, **variables)


def rung(port: int) -> int:
    """Return how often the beat has rung: nothing takes its messages."""
    with redis_py.Redis(port=port) as client:
        return int(client.llen("settle"))


def work(running: Program, url: str, note: Path) -> None:
    """Have it do something."""
    send(url, note, 0.0)
    running.until(says(note, "done"))


def assert_it_waited(running: Program) -> None:
    """It lives, and its attempts to connect were neither rare nor without pauses."""
    assert running.lives(), running.says()
    assert all(0 < wait <= LONGEST_WAIT_SECONDS for wait in running.waits()), running.says()
