"""Each wrong setting is explained, and the settings that come with the project are right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core import checks as django_checks
from edx_django_utils.cache.middleware import RequestCacheMiddleware
from pytest_django import Settings

from coordinator import checks
from coordinator.memcached import PyMemcacheCache
from coordinator.settings import base, caches

TOP = Path(__file__).resolve().parents[3]
POSTGRESQL = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "ledger"}}
DEFERRED = {"ENGINE": "django.db.backends.sqlite3", "NAME": "ledger.sqlite3"}
SQLITE = {"default": {**DEFERRED, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}}
MEMCACHED = caches.memcached(["cache:11211"], prefix="tests", timeout_seconds=60)
PRODUCTION = {
    "COORDINATOR_PRODUCTION": True,
    "SECRET_KEY": "s",
    "JWT_SECRET_KEY": "j",
    "STRIPE_API_KEY": "k",
    "STRIPE_WEBHOOK_SECRETS": ["whsec_1"],
    "DATABASES": POSTGRESQL,
    "CACHES": MEMCACHED,
    "CELERY_BROKER_URL": "redis://broker/0",
}
RSA = '{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"}]}'


class OwnCache(PyMemcacheCache):
    """A host's own, with what it likes to add."""


class OwnMiddleware(RequestCacheMiddleware):
    """A host's own, with what it likes to add."""


def ids() -> list[str | None]:
    """Return the ids of what the checks find wrong now."""
    return [message.id for message in checks.check_settings()]


@pytest.fixture
def change(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what changes settings for this test."""

    def apply(**changes: Any) -> None:
        for name, value in changes.items():
            if name == "DATABASES":
                # Replacing the whole would be what Django warns of; nothing here connects.
                monkeypatch.setitem(settings.DATABASES, "default", value["default"])
            else:
                setattr(settings, name, value)

    return apply


def test_the_settings_that_come_with_the_project_are_right() -> None:
    assert checks.check_settings() == []


def test_django_runs_them_at_every_start() -> None:
    registered = [
        getattr(check, "__name__", "") for check in django_checks.registry.registry.get_checks()
    ]

    assert registered.count("check_settings") == 1


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "a local cache with a worker in another process": (
        "coordinator.E001",
        {"CELERY_BROKER_URL": "redis://broker/0"},
    ),
    "a pointer that outlives the shortest entry": (
        "coordinator.E002",
        {
            "COORDINATOR_ENTRY_TIMEOUT_SECONDS": 100,
            "COORDINATOR_ENTRY_JITTER": 0.5,
            "COORDINATOR_POINTER_TIMEOUT_SECONDS": 50,
        },
    ),
    "a suspension as long as the longest commit": (
        "coordinator.E003",
        {
            "DATABASES": POSTGRESQL,
            "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": 30,
            "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": 20,
            "DATABASE_STATEMENT_TIMEOUT_SECONDS": 10,
        },
    ),
    "a database without a limit on pauses": (
        "coordinator.E003",
        {"DATABASES": POSTGRESQL, "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": 0},
    ),
    "a database without a limit on statements": (
        "coordinator.E003",
        {"DATABASES": POSTGRESQL, "DATABASE_STATEMENT_TIMEOUT_SECONDS": 0},
    ),
    "a suspension as long as SQLite waits for the write lock": (
        "coordinator.E003",
        {"COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": 5, "DATABASE_LOCK_TIMEOUT_SECONDS": 5},
    ),
    "a lease as long as the load": (
        "coordinator.E004",
        {"COORDINATOR_LEASE_TIMEOUT_SECONDS": 10, "COORDINATOR_UPSTREAM_TIMEOUT_SECONDS": 10},
    ),
    "a claim shorter than the lease": (
        "coordinator.E005",
        {
            "COORDINATOR_CLAIM_SECONDS": 29,
            "CELERY_TASK_TIME_LIMIT_SECONDS": 20,
            "CELERY_TASK_SOFT_TIME_LIMIT_SECONDS": 10,
        },
    ),
    "a secret of development in production": (
        "coordinator.E006",
        PRODUCTION | {"STRIPE_WEBHOOK_SECRETS": ["whsec_insecure_development"]},
    ),
    "no key for tokens": (
        "coordinator.E007",
        {"JWT_AUTH": {"JWT_PUBLIC_SIGNING_JWK_SET": None}},
    ),
    "an empty shared secret": ("coordinator.E007", {"JWT_AUTH": base.jwt_auth("")}),
    "a key set that is no JSON": (
        "coordinator.E007",
        {"JWT_AUTH": {"JWT_PUBLIC_SIGNING_JWK_SET": "-----BEGIN PUBLIC KEY-----"}},
    ),
    "a key set without keys": (
        "coordinator.E007",
        {"JWT_AUTH": {"JWT_PUBLIC_SIGNING_JWK_SET": '{"keys": []}'}},
    ),
    "a key outside a key set": (
        "coordinator.E007",
        {"JWT_AUTH": {"JWT_PUBLIC_SIGNING_JWK_SET": '{"kty": "RSA", "n": "AQ", "e": "AQAB"}'}},
    ),
    "a message that returns while its task may run": (
        "coordinator.E008",
        {"CELERY_VISIBILITY_TIMEOUT_SECONDS": 55, "CELERY_TASK_TIME_LIMIT_SECONDS": 55},
    ),
    "servers separated by blanks": (
        "coordinator.E009",
        {"MEMCACHED_SERVERS": ["one:11211 two:11211"]},
    ),
    "a server without a port": ("coordinator.E009", {"MEMCACHED_SERVERS": ["cache"]}),
    "a server with an impossible port": (
        "coordinator.E009",
        {"MEMCACHED_SERVERS": ["cache:99999"]},
    ),
    "a server with a scheme": ("coordinator.E009", {"MEMCACHED_SERVERS": ["memcached://cache:1"]}),
    "a server that is named twice": ("coordinator.E009", {"MEMCACHED_SERVERS": ["a:1", "a:1"]}),
    "a host with a scheme": ("coordinator.E009", {"ALLOWED_HOSTS": ["https://pay.example.org"]}),
    "a webhook secret that is none": (
        "coordinator.E009",
        {"STRIPE_WEBHOOK_SECRETS": ["sk_test_1"]},
    ),
    "two webhook secrets separated by a blank": (
        "coordinator.E009",
        {"STRIPE_WEBHOOK_SECRETS": ["whsec_1 whsec_2"]},
    ),
    "SQLite in production": ("coordinator.E010", PRODUCTION | {"DATABASES": SQLITE}),
    "the in-process broker in production": (
        "coordinator.E010",
        PRODUCTION | {"CELERY_BROKER_URL": "memory://"},
    ),
    "a cache backend that pickles": (
        "coordinator.E011",
        {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}},
    ),
    "an alias that is no cache": (
        "coordinator.E011",
        {"COORDINATOR_CACHE": "payments"},
    ),
    "an absence that outlives the pointer": (
        "coordinator.E012",
        {"COORDINATOR_ABSENT_TIMEOUT_SECONDS": 31, "COORDINATOR_POINTER_TIMEOUT_SECONDS": 30},
    ),
    "an attempt that outlives the call": (
        "coordinator.E013",
        {
            "COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS": 6,
            "COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS": 5,
        },
    ),
    "SQLite with deferred transactions": ("coordinator.E014", {"DATABASES": {"default": DEFERRED}}),
    "a soft limit that never comes": (
        "coordinator.E015",
        {"CELERY_TASK_SOFT_TIME_LIMIT_SECONDS": 55, "CELERY_TASK_TIME_LIMIT_SECONDS": 55},
    ),
    "verifying within the lag": (
        "coordinator.E016",
        {"COORDINATOR_VERIFY_GRACE_SECONDS": 29, "COORDINATOR_LAG_SECONDS": 30},
    ),
    "no middleware that clears the request tier": (
        "coordinator.E018",
        {"MIDDLEWARE": ["django.middleware.common.CommonMiddleware", "no.such.middleware"]},
    ),
    "a sentinel without the name of its master": (
        "coordinator.E021",
        {"CELERY_BROKER_URL": "sentinel://broker:26379", "CACHES": MEMCACHED},
    ),
    "a budget at a sentinel": (
        "coordinator.E022",
        {"COORDINATOR_BUDGET_URL": "sentinel://broker:26379"},
    ),
    "a broker that verifies perhaps": (
        "coordinator.E023",
        {"CELERY_BROKER_URL": "rediss://broker?ssl_cert_reqs=perhaps", "CACHES": MEMCACHED},
    ),
    "a budget that verifies perhaps": (
        "coordinator.E023",
        {"COORDINATOR_BUDGET_URL": "rediss://broker?ssl_cert_reqs=perhaps"},
    ),
    "options of TLS where there is none": (
        "coordinator.E023",
        {"CELERY_BROKER_URL": "redis://broker?ssl_cert_reqs=required", "CACHES": MEMCACHED},
    ),
    "a claim shorter than its task": ("coordinator.W002", {"COORDINATOR_CLAIM_SECONDS": 54}),
    "a local cache of the usual size": (
        "coordinator.W003",
        {"CACHES": {"default": {"BACKEND": "coordinator.memcached.LocMemCache"}}},
    ),
}


@pytest.mark.parametrize(("expected", "changes"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found_alone_and_explained(
    change: Callable[..., None], expected: str, changes: Mapping[str, Any]
) -> None:
    change(**changes)

    assert set(ids()) == {expected}
    assert all(message.hint for message in checks.check_settings())


RIGHT: dict[str, dict[str, Any]] = {
    "a cache of the host's beside ours": {
        "CACHES": {
            "default": {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache"},
            "ours": {**MEMCACHED["default"]},
        },
        "COORDINATOR_CACHE": "ours",
    },
    "a backend that extends one of ours": {
        "CACHES": {"default": {"BACKEND": f"{__name__}.OwnCache"}},
    },
    "a middleware that extends the one of the request tier": {
        "MIDDLEWARE": [f"{__name__}.OwnMiddleware"],
    },
    "a shared cache with a worker in another process": {
        "CELERY_BROKER_URL": "redis://broker/0",
        "CACHES": MEMCACHED,
        "MEMCACHED_SERVERS": ["cache:11211"],
    },
    "limits on PostgreSQL that the suspension outlives": {"DATABASES": POSTGRESQL},
    "public keys": {"JWT_AUTH": {"JWT_PUBLIC_SIGNING_JWK_SET": RSA}},
    "servers of every form": {
        "MEMCACHED_SERVERS": [
            "cache-1.example.org:11211",
            "10.0.0.1:1",
            "[::1]:11211",
            "/run/m.sock",
        ],
    },
    "hosts of every form": {
        "ALLOWED_HOSTS": ["pay.example.org", ".example.org", "127.0.0.1", "[::1]", "*"],
    },
    "two webhook secrets": {"STRIPE_WEBHOOK_SECRETS": ["whsec_1", "whsec_2"]},
}


@pytest.mark.parametrize("changes", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_left_alone(
    change: Callable[..., None], changes: Mapping[str, Any]
) -> None:
    change(**changes)

    assert ids() == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY", "STRIPE_API_KEY"])
def test_a_secret_of_development_is_refused_in_production_and_not_repeated(
    change: Callable[..., None], name: str
) -> None:
    change(**PRODUCTION)
    assert ids() == []
    change(**{name: "insecure-and-known"})

    [message] = checks.check_settings()

    assert message.id == "coordinator.E006"
    assert name in message.msg
    assert "insecure-and-known" not in f"{message.msg}{message.hint}"


def test_passwords_in_addresses_and_secrets_are_not_repeated(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://user:password@broker/0"
    settings.STRIPE_WEBHOOK_SECRETS = ["sk_live_secret"]

    text = " ".join(str(message) for message in checks.check_settings())

    assert "redis://broker/0" in text
    assert "password" not in text
    assert "sk_live_secret" not in text


def test_a_name_that_is_nearly_a_setting_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COORDINATOR_POINTER_TIMEOUT", "5")
    # Kubernetes sets such names for a service that is called coordinator.
    monkeypatch.setenv("COORDINATOR_SERVICE_PORT_HTTP", "8000")
    monkeypatch.setenv("COORDINATOR_CACHE_PREFIX_FILE", "/run/secrets/prefix")

    [message] = checks.check_settings()

    assert message.id == "coordinator.W001"
    assert "COORDINATOR_POINTER_TIMEOUT_SECONDS" in (message.hint or "")


def test_the_documentation_lists_every_id() -> None:
    given = {
        found
        for path in (TOP / "coordinator").rglob("*.py")
        for found in re.findall(r'id="(coordinator\.[EW]\d{3})"', path.read_text())
    }
    listed = re.findall(
        r"^\| `(coordinator\.[EW]\d{3})`",
        (TOP / "docs" / "settings.md").read_text(),
        flags=re.MULTILINE,
    )

    assert sorted(given) == sorted(listed)
    # tests/unit/checks/test_secrets.py has those of `check --deploy`.
    of_deployments = {"coordinator.E017", "coordinator.W004"}
    # tests/integration/test_adopting.py has those of models, databases and Celery apps.
    of_hosts = {"coordinator.E019", "coordinator.E020", "coordinator.W005", "coordinator.W006"}
    told = {expected for expected, _ in WRONG.values()} | {"coordinator.W001"}
    # tests/unit/ledger/test_checks.py has those of transactions that changes join.
    of_joining = {"coordinator.E024", "coordinator.W007"}
    assert given == told | of_deployments | of_hosts | of_joining
