from dataclasses import replace

import pytest

from coordinator.causes import CAUSES
from coordinator.upstream import shares
from coordinator.upstream.conf import DEFAULT_SHARES, BudgetSettings
from coordinator.upstream.permits import Allowance

SETTINGS = BudgetSettings(
    per_second=100,
    concurrent=20,
    shares=DEFAULT_SHARES,
    wait_seconds=2,
    waiting=4,
    url="memory://",
    timeout_seconds=0.25,
    processes=8,
)


def test_every_cause_leaves_room_for_those_before_it() -> None:
    allowances = [shares.whole(SETTINGS, cause) for cause in CAUSES]
    assert [one.rate for one in allowances] == [100, 80, 60, 40]
    assert [one.concurrent for one in allowances] == [20, 16, 12, 8]


def test_the_shares_of_all_processes_are_not_more_than_the_budget() -> None:
    for per_second in (1, 3, 7.5, 8, 9, 50, 99.9):
        own = shares.own(replace(SETTINGS, per_second=per_second))
        assert 8 * own.rate / own.window_seconds <= per_second


def test_a_share_below_one_a_second_is_one_in_a_longer_time() -> None:
    assert shares.own(replace(SETTINGS, per_second=2)) == Allowance(1, 2, window_seconds=4)


def test_half_a_request_is_never_rounded_up() -> None:
    assert shares.whole(replace(SETTINGS, per_second=2.9)).rate == 2


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_its_turn_in_the_smallest_budget(cause: str) -> None:
    smallest = replace(SETTINGS, per_second=1, concurrent=1)
    assert shares.whole(smallest, cause) == Allowance(1, 1, 1)
    assert shares.own(smallest, cause) == Allowance(1, 1, 8)


def test_zero_is_no_limit() -> None:
    unlimited = replace(SETTINGS, per_second=0, concurrent=0)
    assert shares.whole(unlimited, "backfill").unlimited
    assert shares.own(unlimited, "backfill").unlimited
