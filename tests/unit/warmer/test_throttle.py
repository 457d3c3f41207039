"""How large a page may be, and when nothing is claimed."""

import pytest

from coordinator.core import clock
from coordinator.errors import CoordinatorError
from coordinator.warmer.throttle import Throttle, pause_of
from tests.support.clocks import ManualClock

LIMIT = 200


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    by_hand = ManualClock()
    monkeypatch.setattr(clock, "_clock", by_hand)
    return by_hand


@pytest.fixture
def throttle(time: ManualClock) -> Throttle:
    return Throttle()


def test_a_page_is_as_large_as_the_setting_until_something_is_learned(throttle: Throttle) -> None:
    assert throttle.page(LIMIT) == LIMIT


def test_a_slow_page_shrinks_the_next_one_to_what_a_second_is_enough_for(
    throttle: Throttle,
) -> None:
    throttle.took(asked=200, claimed=200, settled=200, seconds=4.0, limit=LIMIT)
    assert throttle.page(LIMIT) == 50


def test_a_page_never_has_fewer_changes_than_are_loaded_at_one_time(throttle: Throttle) -> None:
    throttle.took(asked=200, claimed=200, settled=200, seconds=100.0, limit=LIMIT)
    assert throttle.page(LIMIT) == 16


def test_a_page_that_was_refused_shrinks_to_what_is_let_through_in_a_second(
    throttle: Throttle,
) -> None:
    throttle.was_refused(asked=200, settled=80, seconds=2.0)
    assert throttle.page(LIMIT) == 40
    throttle.was_refused(asked=40, settled=30, seconds=0.6)
    assert throttle.page(LIMIT) == 30, "of a shorter time no more can be told"
    throttle.was_refused(asked=30, settled=1, seconds=15.0)
    assert throttle.page(LIMIT) == 2, "half of it is for the newest"


def test_a_page_of_which_nothing_was_let_through_is_halved(throttle: Throttle) -> None:
    throttle.was_refused(asked=200, settled=0, seconds=1.0)
    assert throttle.page(LIMIT) == 100


def test_pages_grow_slowly_while_a_refusal_is_not_long_ago(
    throttle: Throttle, time: ManualClock
) -> None:
    throttle.refused("payment", 1.0)
    throttle.was_refused(asked=200, settled=80, seconds=1.0)
    throttle.took(asked=80, claimed=80, settled=80, seconds=0.3, limit=LIMIT)
    assert throttle.page(LIMIT) == 90
    time.moved = 6.0
    throttle.took(asked=90, claimed=90, settled=90, seconds=0.3, limit=LIMIT)
    assert throttle.page(LIMIT) == 180


def test_quick_full_pages_double_up_to_the_setting(throttle: Throttle) -> None:
    throttle.took(asked=200, claimed=200, settled=200, seconds=4.0, limit=LIMIT)
    sizes = []
    for _ in range(3):
        size = throttle.page(LIMIT)
        throttle.took(asked=size, claimed=size, settled=size, seconds=0.1, limit=LIMIT)
        sizes.append(throttle.page(LIMIT))
    assert sizes == [100, 200, 200]


@pytest.mark.parametrize(("claimed", "settled"), [(49, 49), (50, 49)])
def test_a_page_that_was_not_full_or_not_settled_is_no_reason_to_grow(
    throttle: Throttle, claimed: int, settled: int
) -> None:
    throttle.took(asked=200, claimed=200, settled=200, seconds=4.0, limit=LIMIT)
    throttle.took(asked=50, claimed=claimed, settled=settled, seconds=0.1, limit=LIMIT)
    assert throttle.page(LIMIT) == 50


def test_a_refused_resource_is_closed_for_as_long_as_the_refusal_says(
    throttle: Throttle, time: ManualClock
) -> None:
    throttle.refused("payment", 3.0)
    throttle.refused("payment", 1.0)
    assert throttle.closed(["payment", "order"]) == {"payment": 3.0}
    time.moved = 2.0
    assert throttle.closed(["payment"]) == {"payment": 1.0}
    time.moved = 3.0
    assert throttle.closed(["payment"]) == {}


def test_while_upstream_is_short_pages_are_settled_one_at_a_time(throttle: Throttle) -> None:
    with throttle.turn() as first, throttle.turn() as second:
        assert (first, second) == (True, True)
    throttle.refused("payment", 1.0)
    with throttle.turn() as first, throttle.turn() as second:
        assert (first, second) == (True, False)
    with throttle.turn() as again:
        assert again


def test_upstream_counts_as_short_for_a_while_after_a_refusal(
    throttle: Throttle, time: ManualClock
) -> None:
    assert not throttle.is_short()
    throttle.refused("payment", 1.0)
    time.moved = 4.9
    assert throttle.is_short()
    time.moved = 5.1
    assert not throttle.is_short()


class _Refusal(CoordinatorError):
    """Nothing goes out."""

    burns_attempt = False


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (None, None),
        (CoordinatorError(retry_after_seconds=2.0), None),
        (_Refusal(), None),
        (_Refusal(retry_after_seconds=2.0), 2.0),
    ],
)
def test_only_what_says_nothing_of_the_thing_and_names_a_time_is_a_refusal_to_all(
    error: CoordinatorError | None, pause: float | None
) -> None:
    assert pause_of(error) == pause
