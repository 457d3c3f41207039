"""What a service that adopts the library can get wrong is explained, and its own names hold."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from coordinator.checks.limits import check_limits
from coordinator.core import cache

TOP = Path(__file__).resolve().parents[2]

#: A host that names the least that it can.
HOST = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["coordinator.core", "coordinator.ledger", "coordinator.warmer", {apps}],
    MIDDLEWARE=["edx_django_utils.cache.middleware.RequestCacheMiddleware"],
    CACHES={{"default": {{
        "BACKEND": "coordinator.memcached.LocMemCache", "OPTIONS": {{"MAX_ENTRIES": 10_000}}
    }}}},
    DATABASES={{"default": {{
        "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:",
        "OPTIONS": {{"transaction_mode": "IMMEDIATE"}},
    }}}},
)
{before}
django.setup()
from django.core.checks import run_checks
{after}
for message in run_checks(): print(message.id, message.msg)
"""


def checks_of(*, apps: str = "", before: str = "", after: str = "") -> str:
    """Return what the system checks of such a host say, in a process of its own."""
    code = HOST.format(apps=apps, before=textwrap.dedent(before), after=textwrap.dedent(after))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MODEL = """
from django.db import models
from coordinator import Ledgered, State, StateTable
class Order(Ledgered):
    {declared}
    customer = models.CharField(max_length=9)
    class Meta: app_label = "coordinator_ledger"
"""
STATES = "state_table = StateTable(State('Payment Due', 1, False))"


def test_no_setting_is_needed_but_apps_cache_and_middleware() -> None:
    declared = f"resource_name, owner_column = 'order', 'customer'; {STATES}"
    assert checks_of(after=MODEL.format(declared=declared)) == ""


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (STATES, "does not declare resource_name"),
        (f"resource_name = 'order'; {STATES}", "does not declare owner_column"),
        ("resource_name, owner_column = 'order', 'customer'", "does not declare state_table"),
        (f"resource_name, owner_column = 'order', 'owner'; {STATES}", "has no column 'owner'"),
    ],
)
def test_a_model_that_leaves_something_out_is_told(declared: str, said: str) -> None:
    told = checks_of(after=MODEL.format(declared=declared))
    assert "coordinator.E019" in told
    assert said in told


def test_two_models_of_one_name_are_told() -> None:
    declared = f"resource_name, owner_column = 'order', 'customer'; {STATES}"
    one = MODEL.format(declared=declared)
    told = checks_of(after=one + one.replace("class Order", "class Purchase"))
    assert "keeps the resource 'order', as" in told


def test_a_host_without_a_celery_app_is_told() -> None:
    assert "coordinator.E020" in checks_of(apps='"coordinator.celery"')


def test_a_hosts_celery_app_stays_current_and_a_beat_without_us_is_told() -> None:
    before = """
        from celery import Celery, current_app
        app = Celery("shop")
    """
    told = checks_of(apps='"coordinator.celery"', before=before, after="assert current_app == app")
    assert told.split()[0] == "coordinator.W006"
    merged = """
        from coordinator.celery.schedule import beat_schedule
        app.conf.beat_schedule = beat_schedule()
    """
    assert checks_of(apps='"coordinator.celery"', before=before, after=merged) == ""


def test_our_tasks_keep_their_options_in_an_app_that_has_others() -> None:
    after = """
        from coordinator.celery import host
        settle = host.task("settle")
        assert (settle.acks_late, settle.ignore_result, settle.serializer) == (True, True, "json")
    """
    before = """
        from celery import Celery
        app = Celery("shop")
        app.conf.update(task_serializer="yaml", task_acks_late=False, task_ignore_result=False)
    """
    assert "W006" in checks_of(apps='"coordinator.celery"', before=before, after=after)


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "memcached.PyMemcacheCache"])
def test_djangos_own_backend_in_our_place_is_explained_at_the_first_use(
    settings: Settings, backend: str
) -> None:
    settings.CACHES = {
        "default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "127.0.0.1:1"}
    }
    with pytest.raises(ImproperlyConfigured, match=r"no compare-and-set.*COORDINATOR_CACHE"):
        cache.put("key", b"1", 5)


def test_the_named_cache_is_used_and_the_default_one_is_left_alone(
    settings: Settings,
) -> None:
    from django.core.cache import caches

    ours: dict[str, Any] = {**settings.CACHES["default"], "LOCATION": "ours", "KEY_PREFIX": "ours"}
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "own"},
        "ours": ours,
    }
    settings.COORDINATOR_CACHE = "ours"

    cache.put("key", b"1", 5)
    cache.remember("key", b"1")
    assert caches["ours"].get("key") == b"1"
    assert caches["default"].get("key") is None
    caches["default"].set("key", b"the host's")
    cache.forget("key")
    assert caches["ours"].get("key") is None
    assert caches["default"].get("key") == b"the host's"


def test_a_hosts_database_without_limits_is_a_warning(
    postgres_ledger: None, settings: Settings
) -> None:
    from django.db import connection

    del settings.COORDINATOR_PRODUCTION
    assert check_limits(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    [message] = check_limits(databases=["default"])
    assert message.id == "coordinator.W005"
    assert "ALTER ROLE" in (message.hint or "")
    assert check_limits(databases=None) == []


def test_mariadb_has_limits_of_its_own(mariadb_ledger: None, settings: Settings) -> None:
    from django.db import connection

    del settings.COORDINATOR_PRODUCTION
    [message] = check_limits(databases=["default"])
    assert message.id == "coordinator.W005"
    assert "max_statement_time = 15" in (message.hint or "")
    with connection.cursor() as cursor:
        cursor.execute("SET max_statement_time = 15, idle_transaction_timeout = 15")
    assert check_limits(databases=["default"]) == []
