"""Rounds that the budget does not let through all at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from coordinator.core.resource import Resource
from coordinator.upstream.errors import UpstreamBudgetSpent, UpstreamCircuitOpen
from coordinator.warmer import keep_warm as keeping
from coordinator.warmer.backfill import Selection, backfill
from tests.support.clocks import ManualClock
from tests.support.payments import record
from tests.support.upstream import Upstream

NAMES = ("EDX-1", "EDX-2", "EDX-3")


@pytest.fixture(autouse=True)
def cold(sqlite_ledger: None) -> None:
    for name in NAMES:
        record("processing", at=1, number=name)


def test_what_the_budget_refuses_is_loaded_as_soon_as_it_permits(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    upstream.fails_once("EDX-2", UpstreamBudgetSpent(retry_after_seconds=0.5))
    upstream.fails_once("EDX-3", UpstreamBudgetSpent(retry_after_seconds=1.5))

    done = keeping.refill("payment", "", 20)

    assert done.outcomes == {"warmed": 3}
    assert done.goes_on_after == ""
    assert manual_clock.waits == [1.5]


def test_a_round_whose_time_is_up_leaves_the_rest_to_another_task(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    upstream.always_fails("EDX-3", UpstreamBudgetSpent(retry_after_seconds=3))

    done = keeping.keep_open_warm("payment", "", 20)

    assert done.outcomes == {"warmed": 2, "failed": 1}
    assert done.goes_on_after != ""
    assert manual_clock.moved < 20
    upstream.agrees("EDX-3")
    again = keeping.keep_open_warm("payment", done.goes_on_after, 20)
    assert again.outcomes == {"already": 2, "warmed": 1}


def test_a_refill_goes_on_with_the_part_that_it_could_not_load(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    upstream.always_fails("EDX-1", UpstreamBudgetSpent(retry_after_seconds=3))
    done = keeping.refill("payment", "", 20)
    upstream.agrees("EDX-1")

    again = keeping.refill("payment", done.goes_on_after, 20)

    assert again.outcomes == {"already": 2, "warmed": 1}


def test_a_round_in_which_nothing_was_let_through_is_left_to_the_next_beat(
    upstream: Upstream, manual_clock: ManualClock
) -> None:
    for name in NAMES:
        upstream.always_fails(name, UpstreamCircuitOpen(retry_after_seconds=15))

    done = keeping.refill("payment", "", 20)

    assert done.outcomes == {"failed": 3}
    assert done.goes_on_after == ""


def test_what_moved_while_it_waited_is_loaded_as_it_is_then(
    upstream: Upstream, manual_clock: ManualClock, payments: Resource
) -> None:
    upstream.fails_once("EDX-2", UpstreamBudgetSpent(retry_after_seconds=1))
    manual_clock.meanwhile = lambda: record("succeeded", at=2, number="EDX-2")

    done = keeping.keep_open_warm("payment", "", 20)

    assert done.outcomes == {"warmed": 3}
    standing = payments.standing("EDX-2")
    assert standing is not None
    assert standing.state == "succeeded"
    # The entry of the new state is there: nothing is left to do.
    since = timezone.now() - timedelta(minutes=1)
    [chunk] = backfill(Selection(payments, since=since), 0, None, dry_run=True)
    assert (chunk.hits, chunk.loads) == (3, 0)


def test_a_backfill_keeps_to_the_pace_of_the_budget(
    upstream: Upstream, manual_clock: ManualClock, payments: Resource
) -> None:
    upstream.fails_once("EDX-1", UpstreamBudgetSpent(retry_after_seconds=2))

    [chunk] = backfill(Selection(payments), 0, None, dry_run=False)

    assert (chunk.loads, chunk.failed) == (3, 0)
    assert manual_clock.waits == [2]
