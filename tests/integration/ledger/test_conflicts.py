"""PostgreSQL ends one of two transactions that can't both go on: it is run again, boundedly."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django import DjangoDbBlocker, Settings

from coordinator.core import pointer
from coordinator.ledger import queue, transactions
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queries import standings_of
from coordinator.ledger.queue import Ending
from coordinator.ledger.recording import Recorded, Recording, record_change
from coordinator.payments.models import Payment
from tests.databases import default_database, emptied
from tests.integration.ledger.test_queue import ids, logged
from tests.integration.payments.conftest import Site
from tests.support.payments import event, payment, record
from tests.support.threads import PATIENCE_SECONDS, Running, at_once
from tests.unit.payments import stripe_samples as samples

WARMED = Ending(ChangeOutcome.WARMED, confirmed=True)


def with_options(database: dict[str, Any], more: str) -> dict[str, Any]:
    """Return the settings of `database` whose sessions begin with `more` options of PostgreSQL."""
    options = database["OPTIONS"]
    return {**database, "OPTIONS": {**options, "options": f"{options['options']} {more}"}}


@pytest.fixture
def serializable_ledger(
    postgres_database: dict[str, Any], django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make a PostgreSQL this test's database whose transactions are serializable by default."""
    strict = with_options(postgres_database, "-c default_transaction_isolation=serializable")
    with django_db_blocker.unblock(), default_database(strict), emptied():
        yield


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the SQLSTATEs with which the database ended what was run again."""
    found: list[str] = []
    plain = transactions.is_conflict

    def is_conflict(error: Any) -> bool:
        if plain(error):
            found.append(error.__cause__.sqlstate)
            return True
        return False

    monkeypatch.setattr(transactions, "is_conflict", is_conflict)
    return found


def wait_until_a_session_waits_for_a_lock() -> None:
    """Return once some other session waits for a row's lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Not pg_stat_activity: a transaction sees that one as it was at its first look.
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("no session waits for a lock")


# -- serialization failures --------------------------------------------------------------------


@pytest.mark.usefixtures("serializable_ledger")
def test_a_change_that_waited_for_the_one_before_it_is_recorded_on_top_of_it(
    monkeypatch: pytest.MonkeyPatch, conflicts: list[str]
) -> None:
    record("processing", at=1)
    plain, in_between, go_on = pointer.suspend_many, threading.Event(), threading.Event()

    def suspend(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        if not in_between.is_set():
            in_between.set()
            assert go_on.wait(PATIENCE_SECONDS)
        return plain(revisions)

    monkeypatch.setattr(pointer, "suspend_many", suspend)
    first = Running(lambda: record("succeeded", at=2, amount_received=1000))
    assert in_between.wait(PATIENCE_SECONDS)
    second = Running(lambda: record("succeeded", at=3, amount_received=1000, amount_refunded=1))
    wait_until_a_session_waits_for_a_lock()
    go_on.set()
    for running, revision in ((first, 2), (second, 3)):
        recorded = running.result()
        assert isinstance(recorded, Recorded)
        assert (recorded.outcome, recorded.revision) == (Recording.APPLIED, revision)
    assert conflicts == ["40001"]
    assert payment().state == "partially_refunded"


@pytest.mark.usefixtures("serializable_ledger")
def test_webhooks_at_once_are_all_recorded_where_transactions_are_serializable(
    settings: Settings, conflicts: list[str]
) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    events = [
        samples.event(
            "payment_intent.succeeded",
            samples.succeeded(
                id=f"pi_{payment % 3}", metadata={"payment_number": f"EDX-{payment % 3}"}
            ),
            id=f"evt_{payment}",
            created=1_800_000_000 + payment,
        )
        for payment in range(24)
    ]
    answers = at_once([lambda one=one: Site().deliver(one) for one in events])  # type: ignore[misc]  # bound early
    assert [getattr(answer, "status_code", answer) for answer in answers] == [200] * len(events)
    outcomes = [json.loads(answer.content)["outcome"] for answer in answers]  # type: ignore[union-attr]
    assert set(outcomes) <= {"applied", "out_of_date"}
    assert Change.objects.count() == len(events)
    for number in range(3):
        log = Change.objects.filter(identifier=f"EDX-{number}", applied=True)
        revisions = list(log.order_by("revision").values_list("revision", flat=True))
        assert revisions == list(range(1, payment(f"EDX-{number}").revision + 1))
    assert conflicts, "no transactions met: nothing was tried"


@pytest.mark.usefixtures("serializable_ledger")
def test_workers_that_claim_and_conclude_beside_recording_meet_no_error() -> None:
    logged(40)

    def work() -> list[int]:
        mine: list[int] = []
        while page := queue.claim(4, 60):
            standings_of(Payment)([change.identifier for change in page])
            queue.conclude([(change, WARMED) for change in page])
            mine += ids(page)
        return mine

    def tell(number: int) -> list[int]:
        return [
            recorded.change.pk
            for at in range(8)
            if (recorded := record(at=at, number=f"R-{number}")).change is not None
        ]

    results = at_once([work, work, work, *[lambda n=n: tell(n) for n in range(3)]])
    assert not [one for one in results if isinstance(one, BaseException)]
    # A worker may find nothing for a moment while the others hold the last of them.
    results.append(work())
    claimed = [pk for one in [*results[:3], results[-1]] for pk in one]  # type: ignore[union-attr]
    assert sorted(claimed) == ids(list(Change.objects.order_by("pk")))
    assert set(Change.objects.values_list("outcome", flat=True)) == {"warmed"}


# -- deadlocks ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("postgres_ledger")
@pytest.mark.parametrize(
    ("outcome", "write"),
    [
        ("", lambda changes: queue.conclude([(change, WARMED) for change in changes])),
        (ChangeOutcome.ABANDONED, lambda changes: queue.retry(ids(changes))),
    ],
)
def test_rows_are_locked_in_the_order_of_their_ids_whatever_order_they_lie_in(
    outcome: str, write: Callable[[list[Change]], object]
) -> None:
    changes = logged(3, outcome=outcome)
    first, second, third = ids(changes)
    # Its new version lies behind the others: this is where a scan of the table would find it last.
    Change.objects.filter(pk=first).update(reason="moved")
    with transaction.atomic():
        Change.objects.select_for_update().get(pk=second)
        writing = Running(lambda: write([changes[2], changes[0], changes[1]]))
        wait_until_a_session_waits_for_a_lock()
        free = Change.objects.select_for_update(skip_locked=True).exclude(pk=second)
        assert ids(list(free)) == [third]
    writing.result()
    assert Change.objects.exclude(outcome=outcome).count() == 3


@pytest.mark.usefixtures("postgres_ledger")
def test_a_conclusion_that_another_worker_wrote_meanwhile_is_left_as_it_is() -> None:
    changes = logged(2)
    with transaction.atomic():
        Change.objects.filter(pk=changes[0].pk).update(outcome=ChangeOutcome.SUPERSEDED)
        concluding = Running(lambda: queue.conclude([(change, WARMED) for change in changes]))
        wait_until_a_session_waits_for_a_lock()
    concluding.result()
    found = dict(Change.objects.values_list("pk", "outcome"))
    assert found == {changes[0].pk: "superseded", changes[1].pk: "warmed"}


def test_what_ends_in_a_deadlock_is_written_down_all_the_same(
    postgres_database: dict[str, Any], django_db_blocker: DjangoDbBlocker, conflicts: list[str]
) -> None:
    # It finds the deadlock first, and is the one that ends: the other session looks much later.
    quick = with_options(postgres_database, "-c deadlock_timeout=1s")
    with django_db_blocker.unblock(), default_database(quick), emptied():
        changes = logged(2)
        first, second = ids(changes)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '20s'")
            Change.objects.select_for_update().get(pk=second)
            concluding = Running(lambda: queue.conclude([(change, WARMED) for change in changes]))
            wait_until_a_session_waits_for_a_lock()
            Change.objects.select_for_update().get(pk=first)
        concluding.result()
        assert set(Change.objects.values_list("outcome", flat=True)) == {"warmed"}
    assert conflicts == ["40P01"]


# -- the bound ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("serializable_ledger")
def test_a_transaction_that_always_fails_is_given_up_after_its_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "_FIRST_PAUSE_SECONDS", 0.0)
    record("processing", at=1)
    tried: list[object] = []

    def suspend(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        tried.append(revisions)
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        return frozenset()

    monkeypatch.setattr(pointer, "suspend_many", suspend)
    with pytest.raises(OperationalError):
        record_change(Payment, event("succeeded", at=2))
    assert len(tried) == transactions.ATTEMPTS
    assert payment().revision == 1


@pytest.mark.usefixtures("postgres_ledger")
def test_within_the_callers_transaction_nothing_is_run_again() -> None:
    calls: list[int] = []

    @transactions.run_again
    def fail() -> None:
        calls.append(1)
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

    with pytest.raises(OperationalError), transaction.atomic():
        fail()
    assert len(calls) == 1
