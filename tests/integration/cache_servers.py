"""Fixtures and helpers for tests that break memcached servers: each test has servers of its own."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymemcache.client.base import Client

from coordinator.memcached import PyMemcacheCache
from tests.conftest import running
from tests.servers import MemcachedServer

TIMEOUT_SECONDS = 0.3
#: How much later than promised something may happen on a machine that is busy with other things.
GRACE_SECONDS = 1.0
#: For how long to wait until a server that answers again is used again: mostly a second.
RECOVERY_SECONDS = 10.0


@contextlib.contextmanager
def own_server() -> Iterator[MemcachedServer]:
    """Run a memcached that the caller may kill, pause and restart."""
    with contextlib.contextmanager(running)(MemcachedServer()) as server:
        yield server
        # Ends at once, where SIGTERM takes memcached a second.
        server.kill()


@pytest.fixture
def server() -> Iterator[MemcachedServer]:
    """Yield one memcached of this test's own."""
    with own_server() as server:
        yield server


@pytest.fixture
def ring_servers() -> Iterator[list[MemcachedServer]]:
    """Yield three memcached of this test's own."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(own_server()) for _ in range(3)]


@pytest.fixture
def cache(server: MemcachedServer) -> PyMemcacheCache:
    """Return the cache on `server`."""
    return cache_on(server)


def cache_on(*servers: MemcachedServer, **options: Any) -> PyMemcacheCache:
    """Return a cache on these servers, with short timeouts unless `options` say otherwise."""
    return PyMemcacheCache(
        [server.address for server in servers],
        {
            "OPTIONS": {
                "connect_timeout": TIMEOUT_SECONDS,
                "timeout": TIMEOUT_SECONDS,
                **options,
            }
        },
    )


def hang(server: MemcachedServer) -> None:
    """Pause `server`, and return once all its threads have stopped, which takes a moment."""
    server.pause()
    tasks = list(Path(f"/proc/{server.pid}/task").iterdir())
    becomes_true(
        lambda: all(") T " in (task / "stat").read_text() for task in tasks), within_seconds=5
    )


class Stats:
    """Reads a server's counters over one connection, which is open from the start."""

    def __init__(self, server: MemcachedServer) -> None:
        self.client = Client(server.address, timeout=5, connect_timeout=5)
        self.client.stats()

    def __getitem__(self, name: str) -> int:
        value: int = self.client.stats()[name.encode()]
        return value

    def close(self) -> None:
        self.client.close()


@contextlib.contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    began = time.monotonic()
    yield
    spent = time.monotonic() - began
    assert spent <= seconds, f"took {spent:.2f} seconds"


def becomes_true(condition: Callable[[], object], within_seconds: float) -> float:
    """Return the seconds until `condition` held; fail if it did not in time."""
    began = time.monotonic()
    while not condition():
        spent = time.monotonic() - began
        assert spent < within_seconds, f"still not true after {spent:.2f} seconds"
        # Nothing announces it: the point is when a caller who keeps asking sees it.
        time.sleep(0.02)
    return time.monotonic() - began
