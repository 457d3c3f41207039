"""Knocks at the broker's door, by its address alone: nothing here knows Celery."""

import socket
from typing import Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_PORTS: Final = {"amqp": 5672, "amqps": 5671, "sentinel": 26379}
_REDIS: Final = ("redis", "rediss", "unix")


class NoDoor(ValueError):
    """There is no way to knock at a broker of this kind."""


def answers(url: str, timeout_seconds: float) -> bool:
    """Return True if the broker at `url` answers; raise OSError or redis.RedisError if it doesn't.

    Redis is asked for a PONG, with the address's own user and password; of the others only that
    they take a connection. Of several addresses, separated by ";" as Celery wants them, one that
    answers is enough. Raise NoDoor for a kind of address that is not known.
    """
    *others, last = url.split(";")
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
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    finally:
        client.close()
