"""Times contestants in turns: each round gives every one of them a go, in another order."""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

#: Does the work so many times.
Work = Callable[[int], object]
#: Done before each go, and not timed.
Before = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something to be timed, and what has to be put in order before each of its goes."""

    name: str
    work: Work
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds for one call, as each round measured them."""

    by_round: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median of the rounds, in seconds."""
        return median(self.by_round)

    @property
    def microseconds(self) -> float:
        """Return the median in microseconds."""
        return self.median * 1e6


def interleave(
    contestants: list[Contestant], *, rounds: int, calls: int | Mapping[str, int]
) -> dict[str, Times]:
    """Return the times of each contestant, by name.

    `calls` is how often a go calls; one number, or one for each. A first round warms up and does
    not count. The collector runs between goes and as it likes within them: its share is part of
    what a call costs.
    """
    counts = {c.name: calls if isinstance(calls, int) else calls[c.name] for c in contestants}
    times: dict[str, list[float]] = {c.name: [] for c in contestants}
    for one in contestants:
        _go(one, max(1, counts[one.name] // 4))
    for turn in _turns(contestants, rounds):
        for one in turn:
            times[one.name].append(_go(one, counts[one.name]))
    return {name: Times(tuple(seconds)) for name, seconds in times.items()}


def _turns(contestants: list[Contestant], rounds: int) -> Iterator[list[Contestant]]:
    for number in range(rounds):
        start = number % len(contestants)
        # A contestant after a heavy one finds colder caches, so the order changes.
        yield contestants[start:] + contestants[:start]


def _go(one: Contestant, calls: int) -> float:
    if one.before is not None:
        one.before()
    gc.collect()
    began = perf_counter()
    one.work(calls)
    return (perf_counter() - began) / calls
