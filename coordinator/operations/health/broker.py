"""Knocks at the broker's door, by its address alone: nothing here knows Celery."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_SENTINELS_PORT: Final = 26379
_REDIS: Final = ("redis", "rediss", "unix")


class NoDoor(ValueError):
    """There is no way to knock at a broker of this kind."""


def answers(url: str, timeout_seconds: float, options: Mapping[str, Any] | None = None) -> bool:
    """Return True if the broker at `url` answers; raise OSError or redis.RedisError if it doesn't.

    Redis is asked for a PONG, with the address's own user and password (the master that a Sentinel
    names, with the ``master_name`` and ``sentinel_kwargs`` of Celery's transport `options`); of the
    others only that they take a connection. Of several addresses, separated by ";" as Celery wants
    them, one that answers is enough. Raise NoDoor for a kind of address that is not known.
    """
    *others, last = urls = url.split(";")
    if last.startswith("sentinel://"):
        return _master_pongs(urls, timeout_seconds, options or {})
    for one in others:
        try:
            return _answers(one, timeout_seconds)
        except (OSError, redis.RedisError):
            continue
    return _answers(last, timeout_seconds)


def _answers(url: str, timeout_seconds: float) -> bool:
    # Celery's names for a transport and its options: redis+socket:///path, sentinel://host:port.
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme == "memory":
        return True
    if parts.scheme == "redis+socket":
        return _pong(url.replace("redis+socket", "unix", 1), timeout_seconds)
    if scheme in _REDIS:
        return _pong(url, timeout_seconds)
    if scheme in _PORTS and parts.hostname:
        address = (parts.hostname, parts.port or _PORTS[scheme])
        with socket.create_connection(address, timeout_seconds):
            return True
    raise NoDoor(scheme)


def _pong(url: str, timeout_seconds: float) -> bool:
    return _pongs(redis.Redis.from_url(url, **_limits(timeout_seconds)))


def _master_pongs(urls: Sequence[str], timeout_seconds: float, options: Mapping[str, Any]) -> bool:
    if "master_name" not in options:
        raise NoDoor("a sentinel without the name of a master")
    limits = _limits(timeout_seconds)
    parts = [urlsplit(url) for url in urls]
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py says no types here
        [(part.hostname or "", part.port or _SENTINELS_PORT) for part in parts],
        sentinel_kwargs={**options.get("sentinel_kwargs", {}), **limits},
    )
    # What the address says besides is the master's: user, password, database, and TLS if any.
    encrypted = "ssl_cert_reqs=" in urls[0]
    said = parse_url(urls[0].replace("sentinel://", "rediss://" if encrypted else "redis://", 1))  # type: ignore[no-untyped-call]  # as above
    masters = {
        name: value
        for name, value in said.items()
        if name not in {"host", "port", "connection_class"}
    }
    try:
        return _pongs(
            sentinel.master_for(  # type: ignore[no-untyped-call]  # as above
                options["master_name"], ssl=encrypted, **masters, **limits
            )
        )
    finally:
        sentinel.close()


def _limits(timeout_seconds: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": timeout_seconds,
        "socket_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def _pongs(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    finally:
        client.close()
