"""The log as a queue: at least once, never to two at the same time, settled after the work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coordinator.ledger import claiming, queue
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queue import Ending
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("each_ledger")

WARMED = Ending(ChangeOutcome.WARMED, confirmed=True)


def logged(count: int = 1, **columns: object) -> list[Change]:
    """Write so many changes, each of a payment of its own, the oldest first."""
    before = Change.objects.count()
    return [
        Change.objects.create(
            **{
                "resource": "payment",
                "identifier": f"EDX-{number}",
                "revision": 1,
                "state": "processing",
                "event_id": f"evt_{number}",
                "event_type": "test",
                **columns,
            }
        )
        for number in range(before, before + count)
    ]


def ids(changes: list[Change]) -> list[int]:
    return [change.pk for change in changes]


def now_as_logged(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that moves the ledger's clock on by so many seconds."""
    moved = timedelta()

    def now() -> datetime:
        return real() + moved

    def passing(seconds: float) -> None:
        nonlocal moved
        moved += timedelta(seconds=seconds)

    real = timezone.now
    monkeypatch.setattr(timezone, "now", now)
    return passing


# -- claiming ----------------------------------------------------------------------------------


def test_half_a_page_is_the_newest_half_the_oldest_and_it_is_no_more_than_a_page() -> None:
    changes = ids(logged(9))
    pages = [ids(queue.claim(4, 60)) for _ in range(4)]
    assert pages == [[*changes[:2], *changes[7:]], [*changes[2:4], *changes[5:7]], [changes[4]], []]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_page_is_full_as_long_as_enough_is_due(limit: int) -> None:
    logged(12)
    assert [len(queue.claim(limit, 60)) for _ in range(12 // limit)] == [limit] * (12 // limit)


def test_a_page_of_one_is_the_oldest() -> None:
    changes = logged(3)
    assert ids(queue.claim(1, 60)) == [changes[0].pk]


def test_a_fresh_change_is_in_the_next_page_of_any_backlog() -> None:
    logged(30, next_attempt_at=timezone.now() - timedelta(hours=1))
    # Some came back later than the fresh one was recorded: they are not newer for that.
    logged(30, next_attempt_at=timezone.now())
    [fresh] = logged(1, next_attempt_at=timezone.now() - timedelta(minutes=1))
    assert fresh.pk in ids(queue.claim(4, 60))


def test_the_newest_are_looked_for_among_a_bounded_number() -> None:
    old = ids(logged(10))
    later = timezone.now() + timedelta(hours=1)
    logged(claiming.NEWEST_LOOKED_AT, next_attempt_at=later)
    assert ids(queue.claim(4, 60)) == old[:4], "the page is full, of the oldest"


def test_none_of_a_resource_that_is_left_alone_is_claimed() -> None:
    mine = ids(logged(4))
    logged(4, resource="order")
    assert ids(queue.claim(10, 60, apart_from=["order", "' OR 1 = 1 --"])) == mine
    assert len(queue.claim(10, 60)) == 4


def test_a_claim_is_counted_and_is_no_attempt_yet() -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    assert (claimed.claims, now_as_logged(claimed).claims) == (1, 1)
    assert (claimed.attempts, now_as_logged(claimed).attempts) == (0, 0)


def test_a_claim_that_nobody_concluded_comes_back_when_it_runs_out(
    pass_time: Callable[[float], None],
) -> None:
    [change] = logged()
    queue.claim(10, 60)
    pass_time(59)
    assert queue.claim(10, 60) == []
    pass_time(2)
    [again] = queue.claim(10, 60)
    assert (again.pk, again.claims, again.attempts) == (change.pk, 2, 0)


def test_what_is_not_due_yet_is_left_alone(pass_time: Callable[[float], None]) -> None:
    logged(next_attempt_at=timezone.now() + timedelta(seconds=30))
    assert queue.claim(10, 60) == []
    pass_time(31)
    assert len(queue.claim(10, 60)) == 1


@pytest.mark.parametrize(
    ("outcome", "confirmed", "claimed"),
    [("", False, True), ("", True, True), ("warmed", False, True), ("warmed", True, False)],
)
def test_settled_is_what_has_both_an_outcome_and_a_confirmed_pointer(
    outcome: str, confirmed: bool, claimed: bool
) -> None:
    [change] = logged(outcome=outcome, confirmed_at=timezone.now() if confirmed else None)
    assert (queue.claim(10, 60) != []) is claimed
    assert change.settled is not claimed


def test_several_threads_never_get_the_same_change() -> None:
    changes = logged(60)

    def claim_all() -> list[int]:
        mine: list[int] = []
        while page := queue.claim(4, 60):
            mine += ids(page)
        return mine

    shares = at_once([claim_all] * 4)
    claimed: list[int] = []
    for share in shares:
        assert isinstance(share, list), share
        claimed += share
    # A thread may find nothing for a moment while the others hold the last of them.
    claimed += claim_all()
    assert sorted(claimed) == ids(changes)


CLAIM_ALL = """
import django, json, sys
from tests.databases import use_pymysql
use_pymysql()
django.setup()
from coordinator.ledger import claiming, queue
print("ready", flush=True)
sys.stdin.readline()
mine = []
while page := queue.claim(4, 60):
    mine += [change.pk for change in page]
print(json.dumps(mine))
"""


def test_several_processes_never_get_the_same_change() -> None:
    changes = logged(60)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": database_url(),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = [process.stdin for process in processes]
    for stdin in answers:
        assert stdin is not None
        stdin.write("go\n")
        stdin.flush()
    claimed = ids(queue.claim(4, 60))
    for process in processes:
        claimed += json.loads(process.communicate(timeout=30)[0])
    while page := queue.claim(4, 60):
        claimed += ids(page)
    assert sorted(claimed) == ids(changes)


def database_url() -> str:
    """Return the address of the database that this test's ledger is in."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    scheme = "postgres" if connection.vendor == "postgresql" else "mysql"
    return "{scheme}://{USER}@{HOST}:{PORT}/{NAME}".format(scheme=scheme, **database)


# -- concluding --------------------------------------------------------------------------------


def test_an_outcome_and_a_confirmed_pointer_settle_a_change() -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(ChangeOutcome.WARMED, "as asked", confirmed=True))])
    change = now_as_logged(claimed)
    assert (change.outcome, change.reason, change.settled) == ("warmed", "as asked", True)
    assert change.ended_at is not None


def test_an_outcome_alone_leaves_it_in_the_queue(pass_time: Callable[[float], None]) -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(ChangeOutcome.WARMED, again_in_seconds=2))])
    ended_at = now_as_logged(claimed).ended_at
    assert ended_at is not None
    assert queue.claim(10, 60) == []
    pass_time(3)
    [again] = queue.claim(10, 60)
    assert again.outcome == "warmed"
    queue.conclude([(again, Ending(again.outcome, confirmed=True))])
    assert now_as_logged(claimed).settled
    assert now_as_logged(claimed).ended_at == ended_at, "the outcome was known before"


def test_a_postponed_change_comes_back_when_it_is_due(pass_time: Callable[[float], None]) -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(reason="busy", again_in_seconds=5))])
    assert now_as_logged(claimed).reason == "busy"
    pass_time(4)
    assert queue.claim(10, 60) == []
    pass_time(2)
    [again] = queue.claim(10, 60)
    assert (again.attempts, again.claims) == (1, 1)


def test_an_attempt_that_says_nothing_of_the_change_does_not_count() -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(reason="circuit open", burn=False))])
    assert (now_as_logged(claimed).attempts, now_as_logged(claimed).claims) == (0, 0)


def test_a_claim_that_tried_nothing_forgets_none_of_those_before_it(
    pass_time: Callable[[float], None],
) -> None:
    logged()
    for _ in range(3):
        [claimed] = queue.claim(10, 60)
        pass_time(61)
    queue.conclude([(claimed, Ending(reason="not tried", tried=False))])
    assert (now_as_logged(claimed).attempts, now_as_logged(claimed).claims) == (0, 2)
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(reason="busy", burn=False))])
    assert now_as_logged(claimed).claims == 0


def test_a_claim_is_never_given_back_twice() -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(ChangeOutcome.ABANDONED, confirmed=True))])
    queue.retry([claimed.pk])
    queue.conclude([(claimed, Ending(reason="late", tried=False))])
    assert (now_as_logged(claimed).attempts, now_as_logged(claimed).claims) == (0, 0)


def test_a_long_reason_is_cut_to_what_the_column_takes() -> None:
    logged()
    [claimed] = queue.claim(10, 60)
    queue.conclude([(claimed, Ending(ChangeOutcome.ABANDONED, "x" * 1000))])
    assert now_as_logged(claimed).reason == "x" * 200


def test_whoever_is_late_leaves_what_was_settled_as_it_is(
    pass_time: Callable[[float], None],
) -> None:
    logged()
    [late] = queue.claim(10, 60)
    pass_time(61)
    [in_time] = queue.claim(10, 60)
    queue.conclude([(in_time, WARMED)])
    queue.conclude([(late, Ending(ChangeOutcome.ABANDONED, "late", confirmed=True))])
    assert (now_as_logged(late).outcome, now_as_logged(late).reason) == ("warmed", "")


def test_whoever_is_late_does_not_replace_an_outcome_that_is_still_to_be_confirmed(
    pass_time: Callable[[float], None],
) -> None:
    logged()
    [late] = queue.claim(10, 60)
    pass_time(61)
    [in_time] = queue.claim(10, 60)
    queue.conclude([(in_time, Ending(ChangeOutcome.WARMED))])
    queue.conclude([(late, Ending(ChangeOutcome.ABANDONED, "late"))])
    assert now_as_logged(late).outcome == "warmed"


def test_a_page_is_concluded_by_one_query_for_each_way_of_ending() -> None:
    logged(20)
    page = queue.claim(20, 60)
    endings = [
        (change, WARMED if number % 2 else Ending(ChangeOutcome.SUPERSEDED, confirmed=True))
        for number, change in enumerate(page)
    ]
    with CaptureQueriesContext(connection) as queries:
        queue.conclude(endings)
    assert len(queries) == 2
    assert Change.objects.filter(outcome="warmed").count() == 10


# -- retrying, and how much there is -----------------------------------------------------------


def test_only_what_was_abandoned_is_tried_again() -> None:
    abandoned, warmed, fresh = logged(3)
    queue.conclude(
        [(abandoned, Ending(ChangeOutcome.ABANDONED, "why", confirmed=True)), (warmed, WARMED)]
    )
    assert queue.retry(ids([abandoned, warmed, fresh])) == 1
    again = now_as_logged(abandoned)
    assert (again.outcome, again.reason, again.attempts, again.ended_at) == ("", "", 0, None)
    assert now_as_logged(warmed).outcome == "warmed"
    assert abandoned.pk in ids(queue.claim(10, 60))


def test_a_retry_while_a_worker_confirms_the_pointer_is_not_lost() -> None:
    [abandoned] = logged()
    queue.conclude([(abandoned, Ending(ChangeOutcome.ABANDONED, "why"))])
    [confirming] = queue.claim(10, 60)
    assert queue.retry([abandoned.pk]) == 1
    queue.conclude([(confirming, Ending(ChangeOutcome.ABANDONED, "why", confirmed=True))])
    assert now_as_logged(abandoned).outcome == ""


def test_the_backlog_is_what_is_unsettled_and_how_long_it_waits(
    pass_time: Callable[[float], None],
) -> None:
    assert queue.backlog() == queue.Backlog(0, 0.0)
    settled = logged(recorded_at=timezone.now())[0]
    queue.conclude([(settled, WARMED)])
    pass_time(10)
    logged(recorded_at=timezone.now())
    pass_time(3)
    logged(recorded_at=timezone.now())
    pass_time(2)
    backlog = queue.backlog()
    assert backlog.unsettled == 2
    assert backlog.oldest_seconds == pytest.approx(5, abs=1)
