"""Puts another broker in the place of the Celery app's own, for as long as a test takes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from coordinator.settings.brokers import transport_options
from workers.app import app


@contextmanager
def broker(url: str, **options: object) -> Iterator[None]:
    """Let the app use the broker at `url`, with `options` on top of those that the project uses."""
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport_options")}
    ours = transport_options(url, visibility_timeout_seconds=600)
    _reconnect({"broker_url": url, "broker_transport_options": {**ours, **options}})
    try:
        yield
    finally:
        _reconnect(before)


def _reconnect(configuration: dict[str, Any]) -> None:
    app.conf.update(configuration)
    # Connections and producers to the broker before are the app's for the life of the process.
    app._pool = None  # type: ignore[attr-defined]  # nothing public closes it
    app.amqp._producer_pool = None  # type: ignore[attr-defined]  # as above


class Messages:
    """What waits in the queues of a Redis broker, which other tests use too unless `alone`."""

    def __init__(self, url: str, *, alone: bool = False) -> None:
        self.prefix = "" if alone else f"test-{uuid.uuid4().hex[:12]}:"
        self._redis = Redis.from_url(url)

    def waiting(self, queue: str = "settle") -> int:
        """Return how many messages wait in `queue`."""
        count: int = self._redis.llen(f"{self.prefix}{queue}")
        return count

    def close(self) -> None:
        """Delete what is left of them, and the connection."""
        for key in self._redis.scan_iter(f"{self.prefix}*"):
            self._redis.delete(key)
        self._redis.close()
