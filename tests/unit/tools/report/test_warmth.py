from __future__ import annotations

from coordinator.core.events import EntryRead, EntryWarmed
from tools.report.warmth import Commit, Warmth


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def warmed(revision: int, *, stored: bool = True, cause: str = "event") -> EntryWarmed:
    return EntryWarmed("payment", "payment.EDX-1.succeeded", revision, cause, stored=stored)


def measured(warmth: Warmth, percent: float = 50) -> float | None:
    value = warmth.commit_to_warm_ms.percentile(percent)
    return None if value is None else round(value, 3)


def test_the_time_from_commit_to_stored_entry_is_measured() -> None:
    now = Now()
    warmth = Warmth(now)
    now.seconds = 1000.12
    warmth.watch(warmed(1))
    warmth.match([Commit("EDX-1", 1, 1000.0)])
    assert measured(warmth) == 120.0


def test_a_commit_waits_for_an_entry_that_comes_later() -> None:
    now = Now()
    warmth = Warmth(now)
    warmth.match([Commit("EDX-1", 1, 1000.0)])
    assert measured(warmth) is None
    now.seconds = 1002.0
    warmth.watch(warmed(1))
    warmth.match([])
    assert measured(warmth) == 2000.0


def test_an_entry_of_an_older_revision_does_not_show_the_change() -> None:
    warmth = Warmth(Now())
    warmth.watch(warmed(1))
    warmth.match([Commit("EDX-1", 2, 1000.0)])
    assert measured(warmth) is None


def test_a_superseded_change_waits_for_the_entry_of_the_newer_one() -> None:
    now = Now()
    warmth = Warmth(now)
    now.seconds = 1000.5
    warmth.watch(warmed(2))
    warmth.match([Commit("EDX-1", 1, 1000.0), Commit("EDX-1", 2, 1000.4)])
    assert len(warmth.commit_to_warm_ms) == 2
    assert measured(warmth, 100) == 500.0


def test_an_entry_that_the_cache_did_not_take_warms_nothing() -> None:
    warmth = Warmth(Now())
    warmth.watch(warmed(1, stored=False))
    warmth.match([Commit("EDX-1", 1, 999.0)])
    assert measured(warmth) is None


def test_an_entry_that_a_reader_stored_counts_and_is_named_as_such() -> None:
    warmth = Warmth(Now())
    warmth.watch(warmed(1, cause="read"))
    warmth.match([Commit("EDX-1", 1, 999.0)])
    [(commit, stored)] = warmth.last(5)
    assert (commit.identifier, stored.cause) == ("EDX-1", "read")


def test_other_events_are_none_of_its_business() -> None:
    warmth = Warmth(Now())
    warmth.watch(EntryRead("payment", "payment.EDX-1.succeeded", "hit", False, False, 0.001))
    warmth.match([Commit("EDX-1", 1, 999.0)])
    assert measured(warmth) is None


def test_what_never_got_warm_is_forgotten_in_the_end() -> None:
    now = Now()
    warmth = Warmth(now)
    warmth.watch(warmed(1))
    warmth.match([Commit("EDX-2", 1, 1000.0)])
    now.seconds = 1200.0
    warmth.match([])
    assert not warmth._waiting
    assert not warmth._stored
