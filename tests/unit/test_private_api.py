"""The private API of libraries that we use: what we rely on is still there, and still does it.

A new version that changes one of these fails here, with the name of what changed, before it fails
in some thread of a worker. Each use is marked in the code: "Private API of <library>".
"""

import _socket
import inspect
import re
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from celery import Celery, _state
from celery.beat import Scheduler
from django.core.cache.backends.locmem import LocMemCache
from django.test import RequestFactory
from edx_django_utils.cache import TieredCache
from edx_django_utils.cache.middleware import TieredCacheMiddleware
from kombu import Connection
from kombu.transport import redis
from kombu.transport.virtual import Transport as VirtualTransport
from pymemcache.client.base import Client
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheServerError,
    MemcacheUnknownCommandError,
)
from rest_framework.request import Request

from coordinator.core import cache
from workers import beating
from workers.app import app

TOP = Path(__file__).resolve().parents[2]

# Untyped, because the stubs leave out what is private.
CHANNEL: Any = redis.Channel
SENTINEL_CHANNEL: Any = redis.SentinelChannel
CONNECTION: Any = Connection

# One place each.
MARKED = [
    ("coordinator/celery/host.py", "Celery"),
    ("coordinator/core/cache.py", "edx-django-utils"),
    ("coordinator/memcached/connection.py", "CPython"),
    ("coordinator/memcached/connection.py", "pymemcache"),
    ("coordinator/memcached/locmem.py", "Django"),
    ("coordinator/payments/api/views.py", "DRF"),
    ("workers/beating.py", "Celery"),
    ("workers/beating.py", "kombu"),
    ("workers/broker.py", "kombu"),
]


class Reached(Exception):
    """What the test put in place of a private method was called."""


def reached(*args: Any, **kwargs: Any) -> NoReturn:
    raise Reached


def sources() -> dict[str, str]:
    return {
        str(path.relative_to(TOP)): path.read_text()
        for room in ("coordinator", "workers")
        for path in (TOP / room).rglob("*.py")
    }


def test_each_place_is_marked_once_and_known_here() -> None:
    marks = [
        (path, library)
        for path, text in sources().items()
        for library in re.findall(r"Private API of ([\w-]+)", text)
    ]

    assert sorted(marks) == MARKED


def test_no_private_name_of_a_library_is_used_in_another_place() -> None:
    known = {path for path, _ in MARKED}
    # Django documents `_meta` and `_state`.
    ours = re.compile(r"\b_meta\b|\b_state\.adding\b|# our own$")
    elsewhere = [
        f"{path}: {line.strip()}"
        for path, text in sources().items()
        for line in text.splitlines()
        if re.search(r"SLF001|\bimport (\w+, )*_[a-z]", line)
        and path not in known
        and not ours.search(line)
    ]

    assert elsewhere == []


# -- edx-django-utils ------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "forced"), [("true", True), ("false", False)])
def test_a_forced_miss_stands_in_the_request_cache_where_the_core_looks(
    rf: RequestFactory, asked: str, forced: bool
) -> None:
    request = rf.get("/", {"force_cache_miss": asked})
    request.user = SimpleNamespace(  # type: ignore[assignment]  # all that is asked of it
        is_active=True, is_staff=True
    )

    TieredCacheMiddleware(lambda _: None).process_request(request)

    assert cache.forces_miss() is TieredCache._should_force_django_cache_miss() is forced


# -- Celery ----------------------------------------------------------------------------------------


def test_celery_keeps_the_current_app_per_thread() -> None:
    seen: list[Celery] = []
    before = _state.get_current_app()
    try:
        mine = Celery("mine", set_as_current=False)
        mine.set_current()
        other = threading.Thread(target=lambda: seen.append(_state.get_current_app()))
        other.start()
        other.join()

        assert _state.get_current_app() is mine
        assert len(seen) == 1
        assert seen != [mine], "if it were the same, coordinator.celery.host would not be needed"
    finally:
        before.set_current()


def test_celerys_beat_connects_by_the_method_that_ours_replaces() -> None:
    class Ours(Scheduler):
        _ensure_connected = reached

    with pytest.raises(Reached):
        _ = Ours(app, lazy=True).producer


# -- kombu -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "connect", [Connection.ensure_connection, Connection.connect], ids=["ensure", "connect"]
)
def test_kombu_connects_by_the_method_that_the_heartbeat_replaces(connect: Any) -> None:
    with Connection("memory://") as connection:
        connection._ensure_connection = reached  # type: ignore[method-assign]  # as workers.beating does
        with pytest.raises(Reached):
            connect(connection)


def test_kombus_method_takes_what_the_heartbeat_hands_it() -> None:
    taken = inspect.signature(CONNECTION._ensure_connection).parameters

    assert {"callback", *beating._RECONNECT} <= set(taken)


def test_kombus_redis_channel_has_what_ours_overrides_and_calls() -> None:
    methods = ("_connparams", "_disconnect_pools", "_on_connection_disconnect")

    assert all(callable(getattr(CHANNEL, name)) for name in methods)
    assert callable(SENTINEL_CHANNEL._sentinel_managed_pool)
    assert CHANNEL._pool is None
    assert list(inspect.signature(CHANNEL._connparams).parameters) == ["self", "asynchronous"]


def test_kombu_still_fails_to_say_that_a_connection_is_gone() -> None:
    channel = CHANNEL.__new__(redis.Channel)
    channel.connection = SimpleNamespace(client=None)

    # Once it says so itself, workers/broker.py needs no `_connparams` of its own.
    with pytest.raises(AttributeError):
        channel._connparams()


def test_kombu_counts_channels_by_their_ids() -> None:
    transport: Any = VirtualTransport(Connection("memory://"))

    assert list(transport._used_channel_ids) == []


# -- pymemcache, and the sockets below it ----------------------------------------------------------


def test_pymemcache_connects_by_the_method_that_ours_refuses_in() -> None:
    class Ours(Client):
        _connect = reached

    with pytest.raises(Reached):
        Ours("127.0.0.1:1", default_noreply=False).delete("key")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"ERROR", MemcacheUnknownCommandError),
        (b"CLIENT_ERROR bad data chunk", MemcacheClientError),
        (b"SERVER_ERROR object too large for cache", MemcacheServerError),
    ],
)
def test_pymemcache_tells_the_servers_refusals_apart(line: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Client("127.0.0.1:1")._raise_errors(line, b"get")


def test_pythons_own_sockets_extend_the_class_in_c() -> None:
    assert issubclass(socket.socket, _socket.socket)


# -- Django and DRF --------------------------------------------------------------------------------


def test_djangos_locmem_keeps_its_values_behind_one_lock() -> None:
    kept: Any = LocMemCache("private-api", {})
    key = kept.make_and_validate_key("key")

    with kept._lock:
        kept._set(key, "value", 60)
        assert kept._cache[key] == "value"
        assert kept._has_expired(key) is False
        assert kept._delete(key) is True
        assert kept._has_expired(key) is True


def test_drf_keeps_djangos_request_below_its_own(rf: RequestFactory) -> None:
    request = rf.get("/")

    assert Request(request)._request is request
