"""A backlog under a spent budget waits: it is not claimed and put back over and over."""

import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from coordinator.core import resource
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger import queue
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.upstream.budget import MEMORY_URL, Budget
from coordinator.upstream.deadlines import Deadline
from coordinator.upstream.errors import UpstreamBudgetSpent, UpstreamCircuitOpen
from coordinator.warmer import settle as settling
from tests.support.clocks import ManualClock
from tests.support.payments import change, record
from tests.support.settling import settle, states
from tests.support.things import Things
from tests.support.threads import at_once
from tests.support.upstream import Upstream

TABLE = Change._meta.db_table


class UpstreamDown(CoordinatorError):
    """Upstream is down."""


def recorded(count: int) -> list[str]:
    """Record so many payments and return their numbers, the oldest first."""
    names = [f"EDX-{number}" for number in range(count)]
    for name in names:
        record("processing", at=1, number=name)
    return names


def updates(queries: CaptureQueriesContext) -> list[str]:
    return [one["sql"] for one in queries if f'UPDATE "{TABLE}"' in one["sql"]]


# -- one page ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_short_refusal_is_waited_out_with_the_page_in_hand(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    names = recorded(3)
    upstream.fails_once(names[1], UpstreamBudgetSpent(retry_after_seconds=0.3))
    assert settle().endings == {"warmed": 3}
    assert manual_clock.waits == [0.3]
    assert set(Change.objects.values_list("claims", "attempts")) == {(0, 1)}


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_page_that_is_refused_is_put_back_by_one_statement(
    upstream: Upstream, settings: Settings, manual_clock: ManualClock
) -> None:
    settings.COORDINATOR_LOAD_CONCURRENCY = 4
    for number, name in enumerate(recorded(20)):
        upstream.always_fails(name, UpstreamCircuitOpen(retry_after_seconds=10 + number / 7))
    with CaptureQueriesContext(connection) as queries:
        page = settle()
    assert page.endings == {"postponed": 20}
    assert len(updates(queries)) == 1
    assert len(upstream.calls) == 4, "the rest was not asked for"
    assert set(Change.objects.values_list("reason", "attempts", "claims")) == {
        ("upstream_circuit_open", 0, 0)
    }


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_page_whose_loads_fail_is_put_back_by_a_few_statements(upstream: Upstream) -> None:
    for name in recorded(60):
        upstream.always_fails(name, UpstreamDown())
    with CaptureQueriesContext(connection) as queries:
        assert settle().endings == {"postponed": 60}
    assert len(updates(queries)) <= 10
    pauses = Change.objects.values_list("next_attempt_at", flat=True)
    assert len(set(pauses)) > 1, "they don't all come back at one moment"


@pytest.mark.usefixtures("sqlite_ledger")
def test_nothing_is_claimed_until_the_time_that_the_refusal_named(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    [first] = recorded(1)
    upstream.always_fails(first, UpstreamCircuitOpen(retry_after_seconds=4))
    settle()
    later = record("processing", at=1, number="EDX-later")
    page = settle()
    assert page.claimed == 0
    assert page.again_in_seconds == pytest.approx(4)
    assert change(later).claims == 0
    upstream.agrees(first)
    manual_clock.moved += 4
    assert settle().endings["warmed"] >= 1
    assert change(later).settled


@pytest.fixture
def thing(monkeypatch: pytest.MonkeyPatch) -> Things:
    """Register a second resource, whose upstream is another one."""
    things = Things(Upstream())
    monkeypatch.setitem(resource._registry, "thing", things.resource)
    return things


@pytest.mark.usefixtures("sqlite_ledger")
def test_one_resources_spent_budget_keeps_no_other_waiting(
    upstream: Upstream, thing: Things, manual_clock: ManualClock
) -> None:
    [first] = recorded(1)
    upstream.always_fails(first, UpstreamCircuitOpen(retry_after_seconds=4))
    settle()
    waiting = record("processing", at=1, number="EDX-waiting")
    thing.change("1", "paid")
    Change.objects.create(
        resource="thing", identifier="1", revision=1, state="paid", event_id="t1", event_type="t"
    )
    page = settle()
    assert page.endings == {"warmed": 1}
    assert page.again_in_seconds == pytest.approx(4)
    assert change(waiting).claims == 0


@pytest.mark.usefixtures("sqlite_ledger")
def test_the_next_page_is_rung_for_after_the_work_while_upstream_is_short(
    upstream: Upstream, settings: Settings, manual_clock: ManualClock
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = 2
    names = recorded(6)
    called: list[int] = []

    def rung() -> None:
        called.append(len(upstream.calls))

    settling.settle_page(when_full=rung)
    upstream.fails_once(names[4], UpstreamBudgetSpent(retry_after_seconds=0.3))
    settling.settle_page(when_full=rung)
    manual_clock.moved += 0.3
    settling.settle_page(when_full=rung)
    assert called == [0, 2, 7], "before the work, before it, and after it"


@pytest.mark.usefixtures("sqlite_ledger")
def test_newest_and_oldest_have_upstreams_budget_in_turn(
    upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LOAD_CONCURRENCY = 2
    names = recorded(6)
    assert settle().endings == {"warmed": 6}
    together = [set(upstream.calls[at : at + 2]) for at in (0, 2, 4)]
    assert together == [{names[5], names[0]}, {names[4], names[1]}, {names[3], names[2]}]


# -- a backlog, on the database that counts ----------------------------------------------------


def row_updates() -> int:
    """Return how many rows of the log were updated so far: what ended sessions have reported."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()")
        cursor.execute("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = %s", [TABLE])
        [count] = cursor.fetchone()
        return int(count)


def settled() -> int:
    return Change.objects.exclude(UNSETTLED).count()


@pytest.fixture
def budget(upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Budget:
    """Let upstream be asked 100 times a second at most, of which events may use 80."""
    settings.COORDINATOR_UPSTREAM_BUDGET_RPS = 100
    spent = Budget("test", MEMORY_URL, 0.25)
    answer = upstream._answer

    def ask(identifier: str, standing: Standing) -> Loaded:
        with spent.permit("event", Deadline(10)):
            return answer(identifier, standing)

    monkeypatch.setattr(upstream, "_answer", ask)
    return spent


@pytest.mark.usefixtures("postgres_ledger", "budget")
def test_under_a_spent_budget_a_change_is_claimed_and_concluded_and_little_more(
    payments: Resource, memcached: object
) -> None:
    recorded(600)
    # What a process has to learn first costs one page.
    assert settle().endings["postponed"] > 100
    before, first = row_updates(), settled()
    stop = threading.Event()

    def work() -> None:
        # As the task and the doorbell do: a page after the other, and none while there is no use.
        while not stop.is_set():
            page = settle()
            if not page.claimed:
                stop.wait(page.again_in_seconds or 0.1)
            if settled() >= 400:
                stop.set()
        connections.close_all()

    at_once([work, work, work, work])
    done = settled() - first
    each = (row_updates() - before) / done
    assert each <= 3, "one to claim it, one to conclude it, and some that were refused"
    assert queue.backlog().unsettled == 600 - settled()
    assert states()["warmed"] == settled()
