from typing import Any

from coordinator.simulator.shoppers import Outcome, Person, Reading
from workers.chaos.judge import Judge
from workers.chaos.tuning import POINTER_SECONDS
from workers.showing.oracle import Committed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def reading(outcome: Outcome = Outcome.FOUND, **differs: Any) -> Reading:
    fields = {
        "number": "EDX-1",
        "status": {Outcome.UNREACHABLE: 0, Outcome.BUSY: 503, Outcome.LOST: 404}.get(outcome, 200),
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
    judge = Judge()
    judge.add(reading())

    assert judge.reads == 1
    assert judge.stale == []
    assert judge.user_errors() == []


def test_an_older_revision_than_was_committed_is_stale() -> None:
    judge = Judge(Clock())
    judge.add(reading(token=Committed("refunded", 4)))

    [stale] = judge.stale
    assert (stale.shown, stale.committed) == (3, 4)
    assert not judge.in_cache_fault(stale)


def test_a_payment_that_is_committed_and_not_found_is_stale() -> None:
    judge = Judge(Clock())
    judge.add(reading(Outcome.LOST))

    assert [one.shown for one in judge.stale] == [0]


def test_a_payment_that_nobody_has_told_of_yet_may_be_missing() -> None:
    judge = Judge(Clock())
    judge.add(reading(Outcome.UNKNOWN_YET, status=404, token=None))

    assert judge.stale == []
    assert judge.not_yet == 1


def test_a_fault_of_the_cache_explains_what_is_stale_until_pointers_have_expired() -> None:
    clock = Clock()
    judge = Judge(clock)
    judge.cache_fault(1000.0, 1003.0)
    for moment in (990.0, 1002.0, 1003.0 + POINTER_SECONDS, 1020.0):
        clock.now = moment
        judge.add(reading(token=Committed("refunded", 4)))

    assert [judge.in_cache_fault(one) for one in judge.stale] == [False, True, True, False]


def test_connections_of_a_killed_web_process_are_no_errors_and_others_are() -> None:
    clock = Clock()
    judge = Judge(clock)
    judge.web_killed(1000.5)
    clock.now = 1001.0
    judge.add(reading(Outcome.UNREACHABLE, seconds=0.8))
    clock.now = 1010.0
    judge.add(reading(Outcome.UNREACHABLE, seconds=0.8))

    assert len(judge.user_errors()) == 1
    assert judge.connections_lost() == 1


def test_being_told_to_come_back_is_no_error() -> None:
    judge = Judge(Clock())
    judge.add(reading(Outcome.BUSY))

    assert judge.turned_away == 1
    assert judge.user_errors() == []
    assert judge.lately().turned_away == 1


def test_a_leak_a_failure_and_a_throttled_reader_are_errors() -> None:
    judge = Judge(Clock())
    for outcome in (Outcome.LEAKED, Outcome.FAILED, Outcome.THROTTLED):
        judge.add(reading(outcome))

    assert len(judge.user_errors()) == 3


def test_a_stranger_who_finds_nothing_is_not_counted() -> None:
    judge = Judge(Clock())
    judge.add(reading(Outcome.CONCEALED, status=404))

    assert (judge.reads, judge.not_yet, judge.stale) == (0, 0, [])


def test_lately_is_two_seconds() -> None:
    clock = Clock()
    judge = Judge(clock)
    judge.add(reading())
    clock.now += 3
    judge.add(reading(headers={"Payment-Revision": "3", "Cache-Status": "coordinator; fwd=miss"}))
    judge.add(reading())

    assert (judge.lately().reads, judge.lately().hit_ratio) == (2, 0.5)
