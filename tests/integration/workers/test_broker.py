"""A worker whose Redis goes away while it is at work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers.napping import nap
from tests.servers import RedisServer
from workers import broker
from workers.app import app

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 30.0


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """Yield a Redis of the test's own: it is killed."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def worker(redis: RedisServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a worker's process on threads, whose tasks outlive the connection."""
    options = ["--pool", "threads", "--concurrency", "2", "--queues", "default"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *[sys.executable, "-m", "celery", "-A", "tests.integration.workers.napping"],
                *["worker", *options, "--without-gossip", "--without-mingle"],
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "coordinator.settings.development",
                "CELERY_BROKER_URL": redis.url,
                "MEMCACHED_SERVERS": "127.0.0.1:1",
                "PYTHONUNBUFFERED": "1",
            },
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send(redis: RedisServer, note: Path, seconds: float) -> None:
    with app.connection_for_write(redis.url) as connection:
        options: dict[str, Any] = {"connection": connection, "queue": "default"}
        nap.apply_async(args=(str(note), seconds), **options)


def says(note: Path, word: str) -> Callable[[], bool]:
    return lambda: note.exists() and note.read_text() == word


@pytest.mark.slow
def test_a_worker_that_is_at_work_when_redis_goes_away_works_on_when_it_is_back(
    redis: RedisServer, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    send(redis, first, 2.0)
    until(says(first, "begun"))
    redis.kill()
    # It ends while nobody can be told.
    until(says(first, "done"))
    redis.restart()
    send(redis, second, 0.0)

    until(says(second, "done"))
    assert worker.poll() is None, (tmp_path / "log").read_text()


def test_redis_is_reached_by_the_transport_that_outlives_it(redis_server: RedisServer) -> None:
    with app.connection_for_read(redis_server.url) as connection:
        assert isinstance(connection.transport, broker.Transport)
        assert isinstance(connection.default_channel, broker.Channel)
