"""What `make bench ARGS="--group nodes"` says of a scenario."""

from bench.nodes.judging import judge
from bench.nodes.records import Commit, Read

_STEADY = [Read(second + 0.5, 9, 1, "hit") for second in range(20)]


def test_a_read_that_begins_after_a_commit_and_brings_what_was_before_is_stale() -> None:
    reads = sorted([*_STEADY, Read(12.0, 1, 1, "hit"), Read(13.5, 1, 1, "hit")])
    verdict = judge(reads, [Commit(11.0, 1, 2)], began=10.0, before=5.0)
    assert (verdict.stale, verdict.longest_stale_seconds) == (2, 2.5)
    assert verdict.stale_for_seconds == 3.5


def test_staleness_counts_from_the_first_commit_that_the_read_did_not_see() -> None:
    reads = sorted([*_STEADY, Read(14.0, 1, 2, "hit")])
    commits = [Commit(13.9, 1, 4), Commit(11.0, 1, 2), Commit(12.0, 1, 3)]
    assert judge(reads, commits, began=10.0, before=5.0).longest_stale_seconds == 2.0


def test_a_read_that_began_before_the_commit_may_bring_either() -> None:
    reads = sorted([*_STEADY, Read(11.0, 1, 1, "hit"), Read(11.01, 1, 2, "loaded")])
    assert judge(reads, [Commit(11.005, 1, 2)], began=10.0, before=5.0).stale == 0


def test_a_read_that_brought_nothing_is_failed_and_not_stale() -> None:
    reads = sorted([*_STEADY, Read(12.0, 1, 0, "failed")])
    verdict = judge(reads, [Commit(11.0, 1, 2)], began=10.0, before=5.0)
    assert (verdict.failed, verdict.stale) == (1, 0)


def test_loads_are_those_beyond_what_was_usual_before() -> None:
    usual = [Read(second + 0.25, 3, 1, "loaded") for second in range(20)]
    caused = [Read(11 + index / 100, 4, 1, "loaded") for index in range(7)]
    verdict = judge(sorted([*_STEADY, *usual, *caused]), [], began=10.0, before=5.0)
    assert 7 <= verdict.loads < 8.5


def test_the_disturbance_ends_with_the_last_second_below_nine_tenths() -> None:
    loads = [Read(11.2, 3, 1, "loaded"), Read(13.2, 3, 1, "loaded")]
    verdict = judge(sorted([*_STEADY, *loads]), [], began=10.0, before=5.0)
    assert verdict.hit_ratio_before == 1.0
    assert verdict.worst_hit_ratio == 0.5
    assert verdict.disturbed_seconds == 4.0
