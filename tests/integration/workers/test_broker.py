"""A worker whose Redis goes away while it is at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers.living import says, send, worker
from tests.servers import RedisServer
from workers import broker
from workers.app import app


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """Yield a Redis of the test's own: it is killed."""
    with RedisServer() as server:
        yield server


@pytest.mark.slow
def test_a_worker_that_is_at_work_when_redis_goes_away_works_on_when_it_is_back(
    redis: RedisServer, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with worker(tmp_path, redis.url, "threads") as running:
        send(redis.url, first, 2.0)
        running.until(says(first, "begun"))
        redis.kill()
        # It ends while nobody can be told.
        running.until(says(first, "done"))
        redis.restart()
        send(redis.url, second, 0.0)

        running.until(says(second, "done"))
        assert running.lives(), running.says()


def test_redis_is_reached_by_the_transport_that_outlives_it(redis_server: RedisServer) -> None:
    with app.connection_for_read(redis_server.url) as connection:
        assert isinstance(connection.transport, broker.Transport)
        assert isinstance(connection.default_channel, broker.Channel)
