import time
from collections.abc import Callable
from typing import Any

import pytest

from tools.chaos.judge import Judge, Stale
from tools.chaos.tuning import POINTER_SECONDS, REST_MARGIN_SECONDS
from tools.report.oracle import Committed
from tools.shoppers import Person, Reading, ReadingOutcome

HERE, ELSEWHERE = "127.0.0.1:1", "127.0.0.1:2"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def judging(clock: Callable[[], float] = time.time) -> Judge:
    return Judge(lambda number: HERE, clock)


def reading(outcome: ReadingOutcome = ReadingOutcome.FOUND, **differs: Any) -> Reading:
    fields = {
        "number": "EDX-1",
        "status": {
            ReadingOutcome.UNREACHABLE: 0,
            ReadingOutcome.BUSY: 503,
            ReadingOutcome.LOST: 404,
        }.get(outcome, 200),
        "headers": {"Payment-Revision": "3", "Cache-Status": "coordinator; hit"},
        "body_bytes": b'{"state":"succeeded"}',
        "seconds": 0.1,
        "token": Committed("succeeded", 3),
        "outcome": outcome,
        "reader": Person(1),
        **differs,
    }
    return Reading(**fields)


def test_a_read_of_what_is_committed_is_a_read_and_nothing_else() -> None:
    judge = judging()
    judge.add(reading())

    assert judge.reads == 1
    assert judge.stale == []
    assert judge.user_errors() == []


def test_an_older_revision_than_was_committed_is_stale() -> None:
    judge = judging(Clock())
    judge.add(reading(token=Committed("refunded", 4)))

    [stale] = judge.stale
    assert (stale.shown, stale.committed) == (3, 4)
    assert not judge.in_cache_fault(stale)


def test_a_payment_that_is_committed_and_not_found_is_stale() -> None:
    judge = judging(Clock())
    judge.add(reading(ReadingOutcome.LOST))

    assert [one.shown for one in judge.stale] == [0]


def test_a_payment_that_nobody_has_told_of_yet_may_be_missing() -> None:
    judge = judging(Clock())
    judge.add(reading(ReadingOutcome.UNKNOWN_YET, status=404, token=None))

    assert judge.stale == []
    assert judge.not_yet == 1


def stale_at(moment: float, *nodes: str) -> tuple[Judge, Stale]:
    """Return what was stale at a moment, in a run in which these nodes failed from 1000 to 1003."""
    clock = Clock()
    judge = judging(clock)
    judge.cache_fault(1000.0, 1003.0, nodes)
    clock.now = moment
    judge.add(reading(token=Committed("refunded", 4)))
    [stale] = judge.stale
    return judge, stale


@pytest.mark.parametrize(
    ("moment", "explained"),
    [
        (990.0, False),
        (1002.0, True),
        # The last process uses the node again, and another one has just put a pointer there.
        (1003.0 + POINTER_SECONDS + REST_MARGIN_SECONDS, True),
        (1003.0 + 2 * POINTER_SECONDS + REST_MARGIN_SECONDS, True),
        (1003.0 + 2 * POINTER_SECONDS + REST_MARGIN_SECONDS + 2, False),
    ],
)
def test_a_fault_of_the_cache_explains_what_is_stale_until_no_pointer_from_then_can_be_left(
    moment: float, explained: bool
) -> None:
    judge, stale = stale_at(moment, HERE, ELSEWHERE)
    assert judge.in_cache_fault(stale) is explained


def test_a_fault_of_another_node_explains_nothing() -> None:
    judge, stale = stale_at(1002.0, ELSEWHERE)
    assert not judge.in_cache_fault(stale)


def test_connections_of_a_killed_web_process_are_no_errors_and_others_are() -> None:
    clock = Clock()
    judge = judging(clock)
    judge.web_killed(1000.5)
    clock.now = 1001.0
    judge.add(reading(ReadingOutcome.UNREACHABLE, seconds=0.8))
    clock.now = 1010.0
    judge.add(reading(ReadingOutcome.UNREACHABLE, seconds=0.8))

    assert len(judge.user_errors()) == 1
    assert judge.connections_lost() == 1


def test_being_told_to_come_back_is_no_error() -> None:
    judge = judging(Clock())
    judge.add(reading(ReadingOutcome.BUSY))

    assert judge.turned_away == 1
    assert judge.user_errors() == []
    assert judge.lately().turned_away == 1


def test_a_leak_a_failure_and_a_throttled_reader_are_errors() -> None:
    judge = judging(Clock())
    for outcome in (ReadingOutcome.LEAKED, ReadingOutcome.FAILED, ReadingOutcome.THROTTLED):
        judge.add(reading(outcome))

    assert len(judge.user_errors()) == 3


def test_a_stranger_who_finds_nothing_is_not_counted() -> None:
    judge = judging(Clock())
    judge.add(reading(ReadingOutcome.CONCEALED, status=404))

    assert (judge.reads, judge.not_yet, judge.stale) == (0, 0, [])


def test_lately_is_two_seconds() -> None:
    clock = Clock()
    judge = judging(clock)
    judge.add(reading())
    clock.now += 3
    judge.add(reading(headers={"Payment-Revision": "3", "Cache-Status": "coordinator; fwd=miss"}))
    judge.add(reading())

    assert (judge.lately().reads, judge.lately().hit_ratio) == (2, 0.5)
