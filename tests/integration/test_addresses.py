"""Servers at addresses of other kinds: sockets in the file system, and IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from celery import Celery
from pytest_django import Settings

from coordinator import checks
from coordinator.memcached import PyMemcacheCache
from coordinator.operations.health import broker
from tests.conftest import running
from tests.servers import MemcachedServer, RedisServer


def has_ipv6() -> bool:
    """Return True if this machine has a loopback of IPv6."""
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


class SocketMemcached(MemcachedServer):
    """memcached at a socket in its directory."""

    @property
    def path(self) -> str:
        """Return the socket's path."""
        return str(self.directory / "memcached.sock")

    def command(self) -> list[str]:
        """Return the command."""
        return [self.executable(), "-s", self.path, "-a", "0666"]

    def answers(self) -> bool:
        """Return True once it takes connections."""
        self.directory.chmod(0o711)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(b"version\r\n")
            return connection.recv(64).startswith(b"VERSION")


class SixMemcached(MemcachedServer):
    """memcached at IPv6's loopback alone."""

    @property
    def address(self) -> str:
        """Return the address as MEMCACHED_SERVERS takes it."""
        return f"[::1]:{self.port}"

    def command(self) -> list[str]:
        """Return the command."""
        return [self.executable(), "-l", "::1", "-p", str(self.port), "-U", "0"]

    def answers(self) -> bool:
        """Return True once it takes connections."""
        with socket.create_connection(("::1", self.port), timeout=1):
            return True


class SixRedis(RedisServer):
    """Redis at IPv6's loopback alone."""

    @property
    def address(self) -> str:
        """Return the address as it stands in a URL."""
        return f"[::1]:{self.port}"

    def command(self) -> list[str]:
        """Return the command."""
        return ["::1" if part == "127.0.0.1" else part for part in super().command()]

    def answers(self) -> bool:
        """Return True once it answers a ping."""
        with socket.create_connection(("::1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")


@pytest.fixture(scope="module")
def at_a_socket() -> Iterator[SocketMemcached]:
    yield from running(SocketMemcached())


@pytest.fixture(scope="module")
def at_ipv6() -> Iterator[SixMemcached]:
    yield from running(SixMemcached())


@pytest.fixture(scope="module")
def redis_at_ipv6() -> Iterator[SixRedis]:
    yield from running(SixRedis())


def assert_it_works(settings: Settings, address: str) -> None:
    settings.MEMCACHED_SERVERS = [address]
    assert [one for one in checks.check_settings() if one.id == "coordinator.E009"] == []
    cache = PyMemcacheCache([address], {"KEY_PREFIX": "addresses"})
    cache.set("key", "value")
    assert cache.get("key") == "value"


def test_memcached_at_a_socket(settings: Settings, at_a_socket: SocketMemcached) -> None:
    assert_it_works(settings, f"unix:{at_a_socket.path}")
    assert_it_works(settings, at_a_socket.path)


@needs_ipv6
def test_memcached_at_ipv6(settings: Settings, at_ipv6: SixMemcached) -> None:
    assert_it_works(settings, at_ipv6.address)


@needs_ipv6
def test_redis_at_ipv6(redis_at_ipv6: SixRedis) -> None:
    assert broker.answers(redis_at_ipv6.url, timeout_seconds=5)
    app = Celery("addresses", broker=redis_at_ipv6.url, set_as_current=False)
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("addresses")
        app.send_task("no.such.task", queue="addresses")
        assert queue.get(timeout=10).headers["task"] == "no.such.task"
        queue.close()
