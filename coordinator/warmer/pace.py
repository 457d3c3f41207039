"""Warms many things at the pace of upstream's budget: waits until it admits the next load."""

from collections.abc import Mapping
from typing import NamedTuple

from coordinator.core import clock
from coordinator.core.fill import Fresh, Warmed
from coordinator.core.resource import Resource, Standing
from coordinator.core.warm import keep_warm


class WarmedWithinBudget(NamedTuple):
    """How each one ended; `all_tried` is False if time was up before upstream could be asked."""

    warmed: Mapping[str, Warmed]
    all_tried: bool


def warm_within_budget(
    of: Resource,
    standings: Mapping[str, Standing],
    *,
    cause: str,
    until: float,
    fresh: Fresh | None = None,
) -> WarmedWithinBudget:
    """Warm as `warm.keep_warm` does, and those once more that upstream was not asked for.

    No reader waits for a beat's or backfill's loads, so the budget refuses them at once when it is
    spent, and says when to come again: the same holds of a circuit that is open. That is waited for
    until `until`, by the clock's monotonic time.
    """
    warmed: dict[str, Warmed] = {}
    while True:
        warmed |= keep_warm(of, standings, cause=cause, fresh=fresh)
        pauses = {name: pause for name in standings if (pause := _pause(warmed[name])) is not None}
        pause = max(pauses.values(), default=0.0)
        if not pauses or clock.current().monotonic() + pause >= until:
            return WarmedWithinBudget(warmed, not pauses)
        clock.current().wait(pause)
        # They may have moved meanwhile. What an entry claims is read before its load.
        standings = of.standings(list(pauses))


def _pause(one: Warmed) -> float | None:
    """Return how long to wait before it is tried again; None if it was tried, or can't be."""
    if one.error is None or one.error.burns_attempt:
        return None
    return one.error.retry_after_seconds
