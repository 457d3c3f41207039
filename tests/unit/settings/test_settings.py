"""The settings: the documented list, what production refuses, and what depends on an address."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from coordinator.addresses import address
from coordinator.defaults import DEFAULTS, TEXTS
from coordinator.settings import own
from coordinator.settings.brokers import transport_options
from coordinator.settings.databases import database

TOP = Path(__file__).resolve().parents[3]
PRODUCTION = {
    "DJANGO_SECRET_KEY": "8f3kd0Lq2mZx9vTr5yWb7nHc1sJp4gUe6aXo0iDf3hKl5zQw8E",
    "DJANGO_ALLOWED_HOSTS": "pay.example.org",
    "DATABASE_URL": "postgres://coordinator:word@db.example.org/coordinator",
    "MEMCACHED_SERVERS": "cache-1.example.org:11211, cache-2.example.org:11211",
    "CELERY_BROKER_URL": "redis://broker.example.org:6379/0",
    "STRIPE_API_KEY": "rk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1,whsec_2",
    "JWT_SECRET_KEY": "shared-with-the-identity-service",
}


def python(code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that knows `environment` only."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def read_by(module: str, environment: Mapping[str, str] = {}) -> dict[str, object]:
    """Return what `module` reads from the environment, by name, with the values that it gets."""
    code = (
        f"import json, coordinator.settings.{module}\n"
        "from coordinator.settings.environment import env\n"
        "print(json.dumps(env.dump()))"
    )
    done = python(code, environment)
    assert done.returncode == 0, done.stderr
    content: dict[str, object] = json.loads(done.stdout)
    return content


def shown(value: object) -> str:
    """Return a default as the documentation writes it."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case list():
            return f"`{','.join(value)}`" if value else "(empty)"
        case float():
            return f"`{value:.10g}`"
        case "" | {}:
            return "(empty)"
        case _:
            return f"`{value}`".replace(str(TOP), "<project>")


def documented() -> dict[str, str]:
    """Return the defaults that ``docs/settings.md`` gives, by name."""
    text = (TOP / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\| `([A-Z][A-Z_]+)` \| ([^|]+) \|", text, flags=re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a setting is documented twice"
    return dict(rows)


# -- the list --------------------------------------------------------------------------------------


def test_the_documentation_lists_every_setting_with_its_default_and_no_other() -> None:
    defaults = {**read_by("production", PRODUCTION), **read_by("development")}

    assert documented() == {name: shown(value) for name, value in defaults.items()}


def test_every_setting_that_the_code_reads_exists() -> None:
    sources = [
        path
        for room in ("coordinator", "workers")
        for path in (TOP / room).rglob("*.py")
        if path.parent.name != "settings"
    ]
    named = {
        name
        for path in sources
        for name in re.findall(r"\bsettings\.([A-Z][A-Z0-9_]+)", path.read_text())
    }

    assert len(named) > 20
    assert {name for name in named if not hasattr(django_settings, name)} == set()


def test_every_setting_of_our_own_is_read_somewhere() -> None:
    text = (
        "".join(
            path.read_text()
            for room in (TOP / "coordinator", TOP / "workers")
            for path in room.rglob("*.py")
            if path.name not in {"own.py", "test.py"}
        )
        + (TOP / "celeryconfig.py").read_text()
    )
    names = [name for name in vars(own) if name.startswith("COORDINATOR_")]

    def is_read(name: str) -> bool:
        # core.conf leaves out the prefix, and adds the unit.
        short = name.removeprefix("COORDINATOR_").removesuffix("_SECONDS")
        return name in text or f'"{short}"' in text

    assert [name for name in names if not is_read(name)] == []


def test_each_default_of_the_library_stands_in_its_table_alone() -> None:
    table = {**DEFAULTS, **TEXTS}
    defaults = {**read_by("production", PRODUCTION), **read_by("development")}
    own_source = (TOP / "coordinator" / "settings" / "own.py").read_text()

    assert {name: defaults[name] for name in table} == table
    # Not given a second time, even if it is the same.
    calls = re.findall(r'\w+\(\s*"([A-Z_]+)",\s*([^=\s)]+)[,)]', own_source)
    assert {name: value for name, value in calls if name in table and "TEXTS" not in value} == {}


def test_the_library_works_without_any_setting_of_ours() -> None:
    code = """
import django
from django.conf import settings
settings.configure()
from coordinator.core import conf, switches
from coordinator.defaults import DEFAULTS, TEXTS
from coordinator.memcached import options
from coordinator.upstream import conf as upstream
ours = [name for name in {**DEFAULTS, **TEXTS} if name.startswith("COORDINATOR_")]
for name in ours:
    short = name.removeprefix("COORDINATOR_")
    value = conf.number(short) if name in DEFAULTS else conf.text(short)
    assert value == {**DEFAULTS, **TEXTS}[name], name
assert options.limits({}, servers=1).timeout == DEFAULTS["MEMCACHED_TIMEOUT_SECONDS"]
assert options.limits({}, servers=2).rest > DEFAULTS["COORDINATOR_POINTER_TIMEOUT_SECONDS"]
assert switches.from_settings().warming == "on"
assert upstream.call().retries == DEFAULTS["COORDINATOR_UPSTREAM_RETRIES"]
assert upstream.budget().url == "memory://"
assert upstream.breaker().failures == DEFAULTS["COORDINATOR_BREAKER_FAILURES"]
"""

    assert python(code, {}).stderr == ""


@pytest.mark.parametrize("room", ["core", "memcached", "ledger", "warmer", "celery", "upstream"])
def test_the_library_reads_no_setting_past_its_defaults(room: str) -> None:
    past = [
        f"{path.name}: {found}"
        for path in (TOP / "coordinator" / room).rglob("*.py")
        for found in re.findall(
            r"\bsettings\.(?:COORDINATOR|MEMCACHED|CELERY)_\w+", path.read_text()
        )
    ]

    assert past == []


# -- reading the environment -----------------------------------------------------------------------


def test_a_value_may_stand_in_a_file_and_loses_its_line_break(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")

    assert read_by("development", {"DJANGO_SECRET_KEY_FILE": str(secret)})["DJANGO_SECRET_KEY"] == (
        "from-a-file"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COORDINATOR_POINTER_TIMEOUT_SECONDS", "soon"),
        ("COORDINATOR_POINTER_TIMEOUT_SECONDS", "0"),
        ("COORDINATOR_POINTER_TIMEOUT_SECONDS", "-1"),
        ("COORDINATOR_ENTRY_JITTER", "1.5"),
        ("COORDINATOR_SETTLE_PAGE", "2.5"),
        ("COORDINATOR_LOG_FORMAT", "xml"),
        ("STRIPE_LIVEMODE", "perhaps"),
        ("COORDINATOR_UPSTREAM_SHARES", "read"),
        ("COORDINATOR_UPSTREAM_SHARES", "read=much"),
        ("COORDINATOR_UPSTREAM_SHARES", "read=2"),
        ("COORDINATOR_REST_FIELDS", "{"),
        ("COORDINATOR_REST_FIELDS", '["number"]'),
    ],
)
def test_a_value_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], name: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert name in done.stderr
    assert "Traceback" not in done.stderr


# -- production ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_does_not_start_without(name: str) -> None:
    rest = {key: value for key, value in PRODUCTION.items() if key != name}
    done = python("import coordinator.settings.production", rest)

    assert done.returncode != 0
    assert "ImproperlyConfigured" in done.stderr
    assert name in done.stderr


def test_production_needs_no_shared_secret_where_public_keys_are_known() -> None:
    environment = {
        **PRODUCTION,
        "JWT_SECRET_KEY": "",
        "JWT_PUBLIC_SIGNING_JWK_SET": '{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"}]}',
    }

    assert python("import coordinator.settings.production", environment).returncode == 0


def test_production_needs_no_stripe_secret_with_another_provider() -> None:
    environment = {name: value for name, value in PRODUCTION.items() if "STRIPE" not in name} | {
        "COORDINATOR_PROVIDER": "coordinator.payments.providers.rest.RestProvider",
        "COORDINATOR_REST_TOKEN": "token",
        "COORDINATOR_REST_WEBHOOK_SECRETS": "secret",
    }

    assert python("import coordinator.settings.production", environment).returncode == 0


def test_production_passes_the_deployment_checks() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=TOP,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "coordinator.settings.production",
            **PRODUCTION,
            # As they are drawn for a deployment.
            "STRIPE_API_KEY": "rk_test_51MtwBwLkdIwHu7ixJ0q8",
            "STRIPE_WEBHOOK_SECRETS": "whsec_9fD2kLx7Qm4TzR8vYb1N",
            "JWT_SECRET_KEY": "u7Xc2Lq9Zt4Vb8Nm1Kp6Rw3Ys5Jd0HgF",
            "COORDINATOR_OPERATIONS_TOKEN": "c41f7a09e2b8d6530f9a",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_production_refuses_development_secrets() -> None:
    secret = str(read_by("development")["DJANGO_SECRET_KEY"])
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=TOP,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "coordinator.settings.production",
            **PRODUCTION,
            "DJANGO_SECRET_KEY": secret,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "coordinator.E006" in done.stderr
    assert secret not in done.stderr


# -- what depends on an address --------------------------------------------------------------------


def test_postgresql_gets_its_time_limits_in_milliseconds() -> None:
    options = database(
        "postgres://user@host/name",
        statement_timeout_seconds=1.5,
        lock_timeout_seconds=2,
        idle_in_transaction_timeout_seconds=3,
    )["OPTIONS"]

    assert options["options"] == (
        "-c statement_timeout=1500 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=3000"
    )


def test_options_in_the_address_win_over_ours() -> None:
    options = database(
        "postgres://user@host/name?options=-c%20lock_timeout%3D9&application_name=report",
        statement_timeout_seconds=1,
        lock_timeout_seconds=1,
        idle_in_transaction_timeout_seconds=1,
    )["OPTIONS"]

    assert options["options"].endswith("-c lock_timeout=9")
    assert options["application_name"] == "report"


def test_sqlite_takes_the_write_lock_when_a_transaction_begins() -> None:
    options = database(
        "sqlite:////tmp/ledger.sqlite3",
        statement_timeout_seconds=1,
        lock_timeout_seconds=7,
        idle_in_transaction_timeout_seconds=1,
    )["OPTIONS"]

    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 7
    assert "journal_mode=WAL" in options["init_command"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("memory://", "polling_interval"),
        ("redis://host/0", "visibility_timeout"),
        ("rediss://:word@host/0", "visibility_timeout"),
        ("sentinel://host:26379", "visibility_timeout"),
    ],
)
def test_each_broker_gets_the_options_that_it_knows(url: str, name: str) -> None:
    options = transport_options(url, visibility_timeout_seconds=600)

    assert name in options
    # It would be how long Redis waits for a message, where a second is right.
    assert ("polling_interval" in options) == (url == "memory://")


def test_an_unknown_broker_gets_no_options_of_another() -> None:
    assert transport_options("amqp://host", visibility_timeout_seconds=600) == {}


def test_a_sentinels_master_and_password_are_options_of_the_transport() -> None:
    options = transport_options(
        "sentinel://host",
        visibility_timeout_seconds=600,
        sentinel_master="m",
        sentinel_password="w",
    )

    assert options["master_name"] == "m"
    assert options["sentinel_kwargs"] == {"password": "w"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("rediss://host/0", "rediss://host/0?ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=cert_optional", "rediss://host?ssl_cert_reqs=optional"),
        ("rediss://host?ssl_cert_reqs=NONE", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=perhaps", "rediss://host?ssl_cert_reqs=perhaps"),
        (
            "rediss://u:p%40w@host/1?ssl_ca_certs=/a/b.pem&ssl_check_hostname=no",
            "rediss://u:p%40w@host/1?ssl_ca_certs=/a/b.pem&ssl_check_hostname=false"
            "&ssl_cert_reqs=required",
        ),
        (
            "sentinel://a?ssl_cert_reqs=CERT_REQUIRED;sentinel://b",
            "sentinel://a?ssl_cert_reqs=required;sentinel://b",
        ),
        ("redis://:word@host/0", "redis://:word@host/0"),
        ("redis://[::1/0", "redis://[::1/0"),
        ("memory://", "memory://"),
    ],
)
def test_tls_is_said_so_that_all_who_read_an_address_know_it(given: str, wanted: str) -> None:
    assert address(given) == wanted
    assert address(wanted) == wanted


# -- Celery ----------------------------------------------------------------------------------------


def test_every_task_goes_to_a_queue_that_the_workers_of_make_listen_to() -> None:
    from workers.app import app

    listened = set(re.search(r"--queues (\S+)", (TOP / "Makefile").read_text()).group(1).split(","))  # type: ignore[union-attr]  # the test fails either way
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if name.startswith("coordinator.")]
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}

    assert queues
    assert set(queues.values()) <= listened


def test_celery_takes_json_only_and_keeps_no_results() -> None:
    import celeryconfig

    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_ignore_result is True
    assert celeryconfig.task_acks_late is True


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
