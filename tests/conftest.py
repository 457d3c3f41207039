"""Fixtures that every test may use: the real servers, and a cache and a ledger of one's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.db import connections
from edx_django_utils.cache import RequestCache
from pytest_django import DjangoDbBlocker, Settings

from coordinator.settings import base, caches
from coordinator.warmer import throttle
from coordinator.web import throttling, token_memory
from tests.databases import default_database, emptied, migrated_test_database, use_pymysql
from tests.processes import Server, ServerMissing
from tests.servers import MariaDBServer, MemcachedServer, PostgresServer, RedisServer
from tools.servers.of_a_run import check_installed

AnyServer = TypeVar("AnyServer", bound=Server)


# -- servers: started once for each process of the test run ------------------------------------


def running(server: AnyServer) -> Iterator[AnyServer]:
    """Yield `server` while it runs; without its program, skip (fail in CI) and say what to do."""
    try:
        server.start()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    yield server
    server.close()


@pytest.fixture(scope="session")
def servers_installed() -> None:
    """Skip (fail in CI), and say what to do, if a server's program is missing."""
    try:
        check_installed()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[MemcachedServer]:
    """Yield a running memcached, shared by the tests: isolate by key prefix, never by flushing."""
    yield from running(MemcachedServer())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Yield a running Redis, shared by the tests: isolate by key prefix, never by flushing."""
    yield from running(RedisServer())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Yield a running PostgreSQL, shared by the tests."""
    yield from running(PostgresServer())


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    """Yield a running MariaDB, shared by the tests."""
    yield from running(MariaDBServer())


# -- the cache: each test has a prefix of its own ----------------------------------------------


@pytest.fixture
def cache_prefix() -> str:
    """Return the key prefix of this test's cache."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def own_cache(settings: Settings, cache_prefix: str) -> Iterator[None]:
    """Give each test an empty cache, and a request tier that remembers no other test."""
    default = dict(settings.CACHES["default"])
    settings.CACHES = {"default": {**default, "KEY_PREFIX": cache_prefix}}
    RequestCache.clear_all_namespaces()
    # What a process remembers for some time beyond a request.
    token_memory.forget()
    throttling.forget()
    yield
    RequestCache.clear_all_namespaces()


@pytest.fixture(autouse=True)
def own_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test settle as a process that has learned nothing of upstream yet."""
    monkeypatch.setattr(throttle, "_own", throttle.Throttle())


@pytest.fixture
def memcached(
    own_cache: None, memcached_server: MemcachedServer, settings: Settings, cache_prefix: str
) -> MemcachedServer:
    """Make the real memcached this test's cache, and return the server."""
    settings.CACHES = caches.memcached(
        [memcached_server.address],
        prefix=cache_prefix,
        timeout_seconds=base.COORDINATOR_ENTRY_TIMEOUT_SECONDS,
    )
    return memcached_server


@pytest.fixture(params=["locmem", "memcached"])
def each_cache(request: pytest.FixtureRequest) -> str:
    """Run the test once on LocMemCache and once on memcached; return which."""
    name: str = request.param
    if name == "memcached":
        request.getfixturevalue("memcached")
    return name


# -- the ledger: SQLite in a file, or PostgreSQL -----------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the test database in a file where it is SQLite.

    Threads that share one in-memory database fail at once with "table is locked" where those of
    production, and of `make run`, wait for one another.
    """
    database: dict[str, Any] = connections.settings["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        path: Path = tmp_path_factory.mktemp("ledger") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture(scope="session")
def postgres_database(
    postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, Any]]:
    """Yield the settings of a migrated database on PostgreSQL."""
    with (
        django_db_blocker.unblock(),
        migrated_test_database(base.databases(postgres_server.url)["default"]) as database,
    ):
        django_db_blocker.block()
        try:
            yield database
        finally:
            django_db_blocker.restore()


@pytest.fixture(scope="session")
def sqlite_database(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, Any]]:
    """Yield the settings of a migrated database in a file of its own.

    Not pytest-django's: that one is made only if some collected test is marked `django_db`, and
    without it the developer's own database would be what a test empties.
    """
    path = tmp_path_factory.mktemp("ledger") / "committed.sqlite3"
    database = base.databases(f"sqlite:///{path}")["default"]
    database["TEST"] = {"NAME": str(path)}
    with django_db_blocker.unblock(), migrated_test_database(database) as migrated:
        django_db_blocker.block()
        try:
            yield migrated
        finally:
            django_db_blocker.restore()


@pytest.fixture(scope="session")
def mariadb_database(
    mariadb_server: MariaDBServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, Any]]:
    """Yield the settings of a migrated database on MariaDB."""
    use_pymysql()
    with (
        django_db_blocker.unblock(),
        migrated_test_database(mariadb_server.database) as database,
    ):
        django_db_blocker.block()
        try:
            yield database
        finally:
            django_db_blocker.restore()


@pytest.fixture
def mariadb_ledger(
    mariadb_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make MariaDB this test's database, let the test commit to it, and leave it empty."""
    with django_db_blocker.unblock(), default_database(mariadb_database), emptied():
        yield


@pytest.fixture
def sqlite_ledger(
    sqlite_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make SQLite this test's database, let the test commit to it, and leave it empty."""
    with django_db_blocker.unblock(), default_database(sqlite_database), emptied():
        yield


@pytest.fixture
def postgres_ledger(
    postgres_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make PostgreSQL this test's database, let the test commit to it, and leave it empty."""
    with django_db_blocker.unblock(), default_database(postgres_database), emptied():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def each_ledger(request: pytest.FixtureRequest) -> str:
    """Run the test once on SQLite and once on PostgreSQL, with real commits; return which."""
    name: str = request.param
    request.getfixturevalue(f"{name}_ledger")
    return name
