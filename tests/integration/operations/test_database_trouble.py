"""A database that is dead, wrong or read-only: one sentence, a status, and recovery by itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import InternalError, connection, connections
from pytest_django import Settings

from coordinator.ledger import queue
from coordinator.payments.models import Payment
from tests.integration.payments.conftest import Site
from tests.integration.payments.tokens import bearer
from tests.support.payments import record
from tests.unit.payments import stripe_samples as samples

ROOT = Path(__file__).parents[3]
COMMANDS = [
    "migrate",
    "check --database default",
    "coordinator_inspect payment.EDX-1",
    "coordinator_settle --once",
    "coordinator_abandoned",
    "coordinator_backfill payments",
    "coordinator_erase --user 42 --yes",
    "coordinator_prune",
    "coordinator_switch",
    "coordinator_verify",
    "coordinator_reconcile",
]


def manage(command: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this DATABASE_URL."""
    return subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "MEMCACHED_SERVERS": "127.0.0.1:1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_with_a_dead_database_each_command_says_a_sentence_and_fails(command: str) -> None:
    ran = manage(command, "postgres://nobody:secret@127.0.0.1:9/none")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    [line] = [line for line in ran.stderr.splitlines() if "database" in line]
    assert "the database at DATABASE_URL does not answer" in line
    assert "secret" not in ran.stderr


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgres://",
        "postgres://user:secret@127.0.0.1:port/name",
        "oracel://user:secret@127.0.0.1/name",
    ],
)
def test_a_wrong_address_is_a_sentence_that_does_not_quote_it(url: str) -> None:
    ran = manage("migrate", url)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: DATABASE_URL is no address of a database.")
    assert ran.stderr.count("\n") == 1
    assert "secret" not in ran.stderr


def test_a_database_without_tables_asks_for_migrate(tmp_path: Path) -> None:
    ran = manage("coordinator_abandoned", f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "run `manage.py migrate`" in ran.stderr


# -- a primary that takes no writes ------------------------------------------------------------


@contextmanager
def read_only_primary() -> Iterator[None]:
    """Have every session of the server refuse writes, as after a failover."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        cursor.execute("SELECT pg_reload_conf()")
    connections.close_all()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM RESET default_transaction_read_only")
            cursor.execute("SELECT pg_reload_conf()")
        connections.close_all()


@pytest.mark.usefixtures("postgres_ledger")
def test_webhooks_wait_for_a_primary_and_are_recorded_when_there_is_one(
    settings: Settings,
) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    paid = samples.event("payment_intent.succeeded", samples.succeeded())
    with read_only_primary():
        answer = Site().deliver(paid)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert not Payment.objects.exists()
    assert Site().deliver(paid).status_code == 200
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.usefixtures("postgres_ledger")
def test_a_new_users_good_token_is_not_refused_by_a_server_that_takes_no_writes() -> None:
    with read_only_primary():
        answer = Site().read("EDX-1/", bearer())
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert Site().read("EDX-1/", bearer()).status_code == 404


@pytest.mark.usefixtures("postgres_ledger", "memcached")
def test_a_command_that_writes_says_that_the_server_is_read_only() -> None:
    record("processing", at=1)
    with read_only_primary():
        with pytest.raises(CommandError, match="read-only") as told:
            call_command("coordinator_settle", "--once", stdout=StringIO())
        assert "\n" not in str(told.value)
    assert len(queue.claim(10, 60)) == 1


@pytest.mark.usefixtures("postgres_ledger")
def test_a_connection_to_a_server_that_takes_no_writes_is_not_kept() -> None:
    record("processing", at=1)
    with read_only_primary():
        with pytest.raises(InternalError):
            queue.claim(10, 60)
        assert connection.connection is None, "the next one may find the new primary"
