"""What the ledger tells metrics: endings when they are written, the backlog when somebody looks."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from coordinator.ledger import queue
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queue import Ending
from coordinator.operations.metrics import exposing, scraping
from coordinator.settings import base
from coordinator.warmer import switching
from tests.databases import default_database
from tests.processes import HOST, free_port
from tests.support.metrics import shown, value
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream


@pytest.fixture
def no_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the ledger's database be one that is not there."""
    url = f"postgres://nobody@{HOST}:{free_port()}/nothing"
    with django_db_blocker.unblock(), default_database(base.databases(url)["default"]):
        yield


def ended(outcome: str) -> float:
    return value("coordinator_changes_total", resource="payment", outcome=outcome)


def now(name: str, **labels: str) -> float | None:
    return shown(exposing.expose().body.decode(), name, **labels)


# -- endings -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_ledger")
def test_a_warmed_change_is_counted_with_the_time_since_its_recording() -> None:
    before = ended("warmed"), value("coordinator_commit_to_warm_seconds_sum", resource="payment")
    record("processing", at=1)
    Change.objects.update(recorded_at=timezone.now() - timedelta(seconds=40))
    settle()
    assert ended("warmed") == before[0] + 1
    took = value("coordinator_commit_to_warm_seconds_sum", resource="payment") - before[1]
    assert 40 <= took < 60


@pytest.mark.usefixtures("each_ledger")
def test_a_burst_counts_one_warmed_and_the_rest_superseded() -> None:
    before = ended("warmed"), ended("superseded")
    for second in range(4):
        record("processing", at=second, amount_refunded=second)
    settle()
    assert (ended("warmed"), ended("superseded")) == (before[0] + 1, before[1] + 3)


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_change_that_came_too_late_is_counted_when_it_is_recorded() -> None:
    before = ended("out_of_date")
    record("succeeded", at=2, amount_received=1000)
    record("processing", at=1)
    assert ended("out_of_date") == before + 1


@pytest.mark.usefixtures("each_ledger")
def test_of_two_who_end_the_same_changes_only_what_each_has_ended_is_counted() -> None:
    before = ended("warmed"), ended("abandoned")
    for number in range(3):
        record("processing", at=1, number=f"EDX-{number}")
    first = queue.claim(2, claim_seconds=0)
    second = queue.claim(3, claim_seconds=0)
    queue.conclude([(change, Ending(ChangeOutcome.WARMED, confirmed=True)) for change in first])
    queue.conclude([(change, Ending(ChangeOutcome.ABANDONED, confirmed=True)) for change in second])
    assert (ended("warmed"), ended("abandoned")) == (before[0] + 2, before[1] + 1)


@pytest.mark.usefixtures("sqlite_ledger")
def test_an_outcome_whose_pointer_is_confirmed_later_is_counted_once() -> None:
    before = ended("warmed")
    record("processing", at=1)
    for confirmed in (False, True):
        [change] = queue.claim(1, claim_seconds=0)
        queue.conclude([(change, Ending(ChangeOutcome.WARMED, confirmed=confirmed))])
    assert ended("warmed") == before + 1


@pytest.mark.usefixtures("sqlite_ledger")
def test_what_is_postponed_has_not_ended() -> None:
    before = [ended(str(outcome)) for outcome in ChangeOutcome]
    record("processing", at=1)
    [change] = queue.claim(1, claim_seconds=0)
    queue.conclude([(change, Ending(reason="busy", again_in_seconds=1))])
    assert [ended(str(outcome)) for outcome in ChangeOutcome] == before


# -- asked for at the moment of looking --------------------------------------------------------


@pytest.mark.usefixtures("each_ledger")
def test_the_backlog_is_what_is_unsettled_and_how_old_its_oldest_is() -> None:
    assert (now("coordinator_backlog_changes"), now("coordinator_backlog_oldest_seconds")) == (0, 0)
    for number in range(3):
        record("processing", at=1, number=f"EDX-{number}")
    first = Change.objects.order_by("pk")[:1]
    Change.objects.filter(pk__in=first).update(recorded_at=timezone.now() - timedelta(seconds=90))
    assert now("coordinator_backlog_changes") == 3
    assert now("coordinator_backlog_oldest_seconds") == pytest.approx(90, abs=20)
    settle()
    assert (now("coordinator_backlog_changes"), now("coordinator_backlog_oldest_seconds")) == (0, 0)


@pytest.mark.usefixtures("each_ledger")
def test_counting_ends_where_more_would_only_cost_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "MOST", 2)
    for number in range(4):
        record("processing", at=1, number=f"EDX-{number}")
    with CaptureQueriesContext(connection) as queries:
        assert now("coordinator_backlog_changes") == 2
    assert len(queries) == 2
    assert all("LIMIT 2" in query["sql"] for query in queries)


@pytest.mark.usefixtures("sqlite_ledger")
def test_what_was_given_up_is_shown_until_somebody_tries_it_again(upstream: Upstream) -> None:
    record("processing", at=1)
    [change] = queue.claim(1, claim_seconds=0)
    queue.conclude([(change, Ending(ChangeOutcome.ABANDONED, "no such payment", confirmed=True))])
    assert now("coordinator_abandoned_changes") == 1
    queue.retry([change.pk])
    assert now("coordinator_abandoned_changes") == 0


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_thrown_switch_is_shown() -> None:
    def positions() -> tuple[float | None, ...]:
        return tuple(
            now("coordinator_switch_position", switch="warming", position=position)
            for position in ("on", "paused")
        )

    assert positions() == (1, 0)
    switching.throw("warming", "paused")
    assert positions() == (0, 1)


@pytest.mark.usefixtures("no_database")
def test_without_a_database_all_else_is_still_shown() -> None:
    text = exposing.expose().body.decode()
    assert shown(text, "coordinator_ledger_up") == 0
    assert shown(text, "coordinator_backlog_changes") is None
    assert shown(text, "coordinator_switch_position", switch="reads", position="cache") == 1
    assert shown(text, "coordinator_reads_total", resource="payment", outcome="hit") is not None
