"""Says of what readers and writers saw: how stale reads were, how many hit, what was loaded.

A read is stale if it brought a revision older than one whose commit came before the read began; how
stale is how long before. That is the promise of the protocol, judged from outside.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.nodes.records import FAILED, HIT, LOADED, Commit, Read


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scenario came to; `hit_ratios` is for each second, the first one before anything.

    `loads` is those that the scenario caused, beyond what as much time before it would have seen.
    `disturbed_seconds` is how long after the first step the hit ratio was last below nine tenths of
    what it was before.
    """

    reads: int
    failed: int
    stale: int
    longest_stale_seconds: float
    stale_for_seconds: float
    hit_ratio_before: float
    hit_ratios: tuple[float, ...]
    loads: float
    disturbed_seconds: float

    @property
    def worst_hit_ratio(self) -> float:
        """Return the hit ratio of the worst second."""
        return min(self.hit_ratios)


def judge(reads: Sequence[Read], commits: Iterable[Commit], began: float, before: float) -> Verdict:
    """Return what `reads` and `commits` came to, of a scenario whose first step was at `began`.

    `before` is how many seconds before that count as undisturbed.
    """
    reads = [one for one in reads if one.began >= began - before]
    stale = _staleness(reads, commits)
    undisturbed = [one for one in reads if one.began < began]
    after = [one for one in reads if one.began >= began]
    ratio_before = _hit_ratio(undisturbed)
    ratios = _by_second(reads, began - before)
    loads_before = _loads(undisturbed) / before
    seconds_after = after[-1].began - began
    return Verdict(
        reads=len(reads),
        failed=sum(one.outcome == FAILED for one in reads),
        stale=len(stale),
        longest_stale_seconds=max(stale.values(), default=0.0),
        stale_for_seconds=max((at - began for at in stale), default=0.0),
        hit_ratio_before=ratio_before,
        hit_ratios=ratios,
        loads=max(0.0, _loads(after) - loads_before * seconds_after),
        disturbed_seconds=max(
            (
                second + 1 - before
                for second, ratio in enumerate(ratios)
                if ratio < 0.9 * ratio_before and second >= before
            ),
            default=0.0,
        ),
    )


def _staleness(reads: Iterable[Read], commits: Iterable[Commit]) -> dict[float, float]:
    """Return, by when they began, how many seconds stale the stale reads were."""
    by_payment: dict[int, list[Commit]] = defaultdict(list)
    for commit in commits:
        by_payment[commit.payment].append(commit)
    for known in by_payment.values():
        known.sort(key=lambda one: one.revision)
    stale = {}
    for read in reads:
        known = by_payment.get(read.payment, [])
        newer = bisect_right(known, read.revision, key=lambda one: one.revision)
        if read.revision and newer < len(known) and known[newer].at < read.began:
            stale[read.began] = read.began - known[newer].at
    return stale


def _by_second(reads: Iterable[Read], start: float) -> tuple[float, ...]:
    seconds: dict[int, list[Read]] = defaultdict(list)
    for one in reads:
        seconds[int(one.began - start)].append(one)
    # The last one is not a whole second.
    return tuple(_hit_ratio(seconds[second]) for second in sorted(seconds)[:-1])


def _hit_ratio(reads: Sequence[Read]) -> float:
    return sum(one.outcome == HIT for one in reads) / len(reads)


def _loads(reads: Iterable[Read]) -> int:
    return sum(one.outcome == LOADED for one in reads)
