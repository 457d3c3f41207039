"""Stores the entries that changes carry: made from what an event told, so nothing is loaded.

Between the commit and the advance of the pointer. Before the commit an entry would claim a revision
that a rollback gives to another event; what crashes after it is loaded by a worker, as any change
is. Stored as a load is: newer (revision, loaded_at) over older, by compare-and-set.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from coordinator.core import clock, events, fill, load, resource, switches
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import WarmOutcome
from coordinator.core.keys import EntryKey
from coordinator.core.resource import Loaded, Standing

#: The cause under which events and metrics tell carried entries from loaded ones.
CAUSE = "carried"


@dataclass(frozen=True, slots=True)
class Carried:
    """An entry that a change carries: what would be loaded at `standing`, which the change made.

    `as_of` (seconds since the epoch) is when it was true: the entry ages from then on, and a load
    that began later is the newer one.
    """

    resource: str
    identifier: str
    standing: Standing
    loaded: Loaded
    as_of: float


def carry(entries: Iterable[Carried]) -> dict[str, WarmOutcome]:
    """Store each that is still alive; return how that ended, by entry name.

    Nothing while warming is paused. Never raises for a failure of the cache.
    """
    if switches.warming_paused():
        return {}
    now = clock.current().now()
    built: dict[EntryKey, CacheEntry] = {}
    for one in entries:
        recipe = resource.get(one.resource)
        if one.loaded.lags(one.standing):
            # Another subject's word makes the thing something else than this event tells.
            continue
        fetched = load.Fetched(one.loaded, one.as_of, 0.0)
        new = fill.build(recipe, one.standing, one.loaded, fetched)
        if new.expires_at > now:
            built[recipe.entry_key(one.identifier, one.standing.state)] = new
    outcomes = {}
    for key, outcome in fill.store_many(built, now).items():
        outcomes[key.name] = outcome
        stored = outcome is WarmOutcome.WARMED
        events.emit(
            events.EntryWarmed(key.resource, key.name, built[key].revision, CAUSE, stored=stored)
        )
    return outcomes
