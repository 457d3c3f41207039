"""The ledger behind a real PgBouncer in transaction pooling, set up as docs/deploying.md says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection
from pytest_django import DjangoDbBlocker, Settings

from coordinator.ledger import queue
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queries import standings_of
from coordinator.ledger.queue import Ending
from coordinator.ledger.recording import Recorded
from coordinator.payments.models import Payment
from coordinator.settings.databases import database
from tests.conftest import running
from tests.databases import default_database, emptied
from tests.integration.ledger.test_queue import ids
from tests.integration.payments.conftest import Site
from tests.servers import PgBouncerServer, PostgresServer
from tests.support.payments import record
from tests.support.threads import at_once
from tests.unit.payments import stripe_samples as samples

DOCUMENT = Path(__file__).parents[3] / "docs" / "deploying.md"
WARMED = Ending(ChangeOutcome.WARMED, confirmed=True)
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def documented(language: str) -> str:
    """Return the block in this language of what the guide says of PgBouncer."""
    [section] = re.findall(r"### Through PgBouncer\n(.*?)\n##", DOCUMENT.read_text(), re.DOTALL)
    [block] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return str(block)


@pytest.fixture
def bouncer(
    postgres_server: PostgresServer,
    postgres_database: dict[str, Any],
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[PgBouncerServer]:
    """Yield PgBouncer with two connections to the server, and no more of ours than is documented.

    The role is the guide's, without its time limits.
    """
    with django_db_blocker.unblock(), default_database(postgres_database):
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE coordinator LOGIN IN ROLE postgres")
        settings = documented("ini").removeprefix("[pgbouncer]\n") + "default_pool_size = 2"
        yield from running(PgBouncerServer(postgres_server, "coordinator", settings))
        with connection.cursor() as cursor:
            cursor.execute("DROP ROLE coordinator")


def behind(bouncer: PgBouncerServer, name: str, *, pooled: bool = True) -> dict[str, Any]:
    """Return the settings of the database `name` behind PgBouncer."""
    return database(
        f"postgres://coordinator@{bouncer.address}/{name}",
        statement_timeout_seconds=15,
        lock_timeout_seconds=5,
        idle_in_transaction_timeout_seconds=15,
        connection_max_age_seconds=60,
        pooled=pooled,
    )


@pytest.fixture
def pooled_ledger(
    bouncer: PgBouncerServer,
    postgres_database: dict[str, Any],
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Make the database behind PgBouncer this test's, for a role with the guide's limits."""
    with django_db_blocker.unblock():
        with default_database(postgres_database), connection.cursor() as cursor:
            cursor.execute(documented("sql"))
        with default_database(behind(bouncer, postgres_database["NAME"])), emptied():
            yield


def test_a_pooler_refuses_limits_at_connecting_unless_it_is_said_to_be_one(
    bouncer: PgBouncerServer, postgres_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> None:
    name = postgres_database["NAME"]
    with django_db_blocker.unblock():
        with (
            default_database(behind(bouncer, name, pooled=False)),
            pytest.raises(OperationalError, match="unsupported startup parameter"),
        ):
            connection.ensure_connection()
        with default_database(behind(bouncer, name)):
            assert Payment.objects.count() == 0


@pytest.mark.usefixtures("pooled_ledger")
def test_changes_at_once_are_recorded_claimed_and_concluded_through_few_connections() -> None:
    def tell(number: int) -> list[Recorded]:
        return [record(at=at, number=f"EDX-{number % 4}") for at in range(number, 60, 12)]

    told = at_once([lambda n=n: tell(n) for n in range(12)])  # type: ignore[misc]  # bound early
    assert not [one for one in told if isinstance(one, BaseException)]
    assert Change.objects.count() == 60

    def work() -> list[int]:
        mine: list[int] = []
        while page := queue.claim(4, 60):
            standings_of(Payment)([change.identifier for change in page])
            queue.conclude([(change, WARMED) for change in page])
            mine += ids(page)
        return mine

    worked = at_once([work] * 6)
    assert not [one for one in worked if isinstance(one, BaseException)]
    work()
    assert not Change.objects.filter(applied=True).exclude(outcome="warmed").exists()
    for row in Payment.objects.all():
        log = Change.objects.filter(identifier=row.number, applied=True).order_by("revision")
        assert [one.revision for one in log] == list(range(1, row.revision + 1))


@pytest.mark.usefixtures("pooled_ledger")
def test_what_stays_with_a_connection_is_not_used() -> None:
    for at in range(30):
        record(at=at, number=f"EDX-{at}")

    def read() -> int:
        found = 0
        for _ in range(6):
            # A server-side cursor, and (after five times) a prepared statement where those are on.
            for row in Payment.objects.order_by("pk").iterator(chunk_size=7):
                found += row.revision
                assert Payment.objects.filter(pk=row.pk).exists()
        return found

    assert at_once([read] * 4) == [6 * 30] * 4
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone()[0] == 0
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE is_holdable")
        assert cursor.fetchone()[0] == 0


@pytest.mark.usefixtures("pooled_ledger")
def test_a_webhook_is_committed_through_it(settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    answer = Site().deliver(samples.event("payment_intent.succeeded", samples.succeeded()))
    assert answer.status_code == 200
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.usefixtures("pooled_ledger")
def test_the_documented_limits_hold_and_satisfy_the_check() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in LIMITS))
        assert cursor.fetchone() == ("15s", "5s", "15s")
    assert "coordinator.E003" not in [one.id for one in run_checks(databases=["default"])]


def test_a_role_without_limits_is_refused_with_the_statements_to_run(
    bouncer: PgBouncerServer, postgres_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> None:
    with (
        django_db_blocker.unblock(),
        default_database(behind(bouncer, postgres_database["NAME"])),
    ):
        [found] = [one for one in run_checks(databases=["default"]) if one.id == "coordinator.E003"]
    assert "ALTER ROLE coordinator SET statement_timeout = '15s'" in str(found.hint)
    assert "idle_in_transaction_session_timeout 0 s" in found.msg
