from __future__ import annotations

from tools.report.answers import How, ReadAnswer
from tools.report.oracle import Committed
from tools.report.reads import Reads
from tools.report.readthrough import ReadThrough
from tools.report.troubles import Troubles

PAID = Committed("succeeded", 3)
HIT = ReadAnswer(How.HIT, 200, 3, "succeeded")
MISS = ReadAnswer(How.MISS, 200, 3, "succeeded")


def reads() -> Reads:
    return Reads(ReadThrough(1800), Troubles(), clock=lambda: 0.0)


def test_hits_and_misses_add_up_to_the_reads() -> None:
    tally = reads()
    for answer in (HIT, HIT, HIT, MISS):
        tally.add("EDX-1", PAID, answer, 2.0)
    assert (tally.hits, tally.misses, tally.total) == (3, 1, 4)
    assert tally.hit_ratio == 0.75


def test_a_run_without_reads_has_no_hits() -> None:
    assert reads().hit_ratio == 0.0


def test_warm_and_cold_reads_are_timed_apart() -> None:
    tally = reads()
    tally.add("EDX-1", PAID, MISS, 90.0)
    tally.add("EDX-1", PAID, HIT, 2.0)
    assert tally.cold_ms.percentile(50) == 90.0
    assert tally.warm_ms.percentile(50) == 2.0


def test_asking_before_the_first_event_came_is_no_read_and_no_error() -> None:
    tally = reads()
    tally.add("EDX-1", None, ReadAnswer(How.UNKNOWN, 404), 1.0)
    assert (tally.total, tally.too_early, tally.stale) == (0, 1, 0)
    assert tally._troubles.total == 0


def test_a_stale_read_is_counted_and_named() -> None:
    tally = reads()
    tally.add("EDX-7", PAID, ReadAnswer(How.HIT, 200, 2, "processing"), 1.0)
    assert tally.stale == 1
    assert "EDX-7" in tally._troubles.notes()[0]


def test_a_payment_that_vanished_is_a_stale_read() -> None:
    tally = reads()
    tally.add("EDX-7", PAID, ReadAnswer(How.UNKNOWN, 404), 1.0)
    assert (tally.stale, tally.too_early) == (1, 0)


def test_a_server_error_is_an_error_and_no_read() -> None:
    tally = reads()
    tally.add("EDX-1", PAID, ReadAnswer(How.FAILED, 503), 1.0)
    assert tally.total == 0
    assert tally._troubles.by_kind() == {"reads": 1}


def test_reads_are_replayed_against_the_model() -> None:
    tally = reads()
    for revision in (1, 2, 2):
        tally.add("EDX-1", None, ReadAnswer(How.HIT, 200, revision, "succeeded"), 1.0)
    assert tally._model.loads == 2
