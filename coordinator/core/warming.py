"""Warms entries: has them in the shared cache, and the pointer confirmed, before anyone asks."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from coordinator.core import filling, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.filling import Filled, Filling, Fresh
from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.core.storing import StoreResult
from coordinator.errors import CoordinatorError


class WarmOutcome(enum.Enum):
    """How warming one thing ended."""

    WARMED = "warmed"
    """Loaded and stored just now."""
    ALREADY = "already"
    """An entry that will do was there."""
    UNKNOWN = "unknown"
    """The ledger does not know it."""
    BUSY = "busy"
    """Somebody else is loading it: look again shortly."""
    LAGGED = "lagged"
    """Upstream contradicts the ledger: load again a little later."""
    FAILED = "failed"
    """Upstream failed; `error` says whether trying again can help."""
    UNSTORED = "unstored"
    """The cache refused the value: it is too large, and stays so."""
    CACHE_UNREACHABLE = "cache_unreachable"


@dataclass(frozen=True, slots=True)
class Warmed:
    """How it ended, and at which standing.

    `loaded` is what upstream said, if it was asked and answered.
    """

    outcome: WarmOutcome
    standing: Standing | None = None
    entry: CacheEntry | None = None
    loaded: Loaded | None = None
    error: CoordinatorError | None = None

    @property
    def warm(self) -> bool:
        """Return True if the shared cache has the entry."""
        return self.outcome in (WarmOutcome.WARMED, WarmOutcome.ALREADY)


_OUTCOMES = {
    Filling.STORED: WarmOutcome.WARMED,
    Filling.FOUND: WarmOutcome.ALREADY,
    Filling.UNSTORED: WarmOutcome.UNSTORED,
    Filling.LAGGED: WarmOutcome.LAGGED,
    Filling.BUSY: WarmOutcome.BUSY,
    Filling.FAILED: WarmOutcome.FAILED,
}


def warm(
    resource: Resource, identifier: str, *, cause: str = "event", fresh: Fresh | None = None
) -> Warmed:
    """Have one entry warm and its pointer say so; see `warm_many`."""
    standing = resource.standing(identifier)
    if standing is None:
        return Warmed(WarmOutcome.UNKNOWN)
    return keep_warm(resource, {identifier: standing}, cause=cause, fresh=fresh)[identifier]


def keep_warm(
    resource: Resource,
    standings: Mapping[str, Standing],
    *,
    cause: str,
    fresh: Fresh | None = None,
) -> dict[str, Warmed]:
    """Warm as `warm_many` does, and advance the pointers of what was stored (rule 2)."""
    results = warm_many(resource, standings, cause=cause, fresh=fresh)
    stored = {n: standings[n] for n, w in results.items() if w.outcome is WarmOutcome.WARMED}
    confirm(resource, stored)
    return results


def warm_many(
    resource: Resource,
    standings: Mapping[str, Standing],
    *,
    cause: str,
    fresh: Fresh | None = None,
) -> dict[str, Warmed]:
    """Have the entries that `standings` name in the shared cache; return how each one ended.

    `standings` are the ledger's, read before this call. An entry that is there already and as new
    is left alone, unless `fresh` says that it won't do. Nothing is loaded while the cache can't be
    reached: it could not be kept. Never raises for what upstream or the cache do.
    """
    results: dict[str, Warmed] = {}
    found, reachable = filling.find(resource, standings)
    if not reachable:
        return {
            name: Warmed(WarmOutcome.CACHE_UNREACHABLE, standing)
            for name, standing in standings.items()
        }
    missing = {}
    for name, standing in standings.items():
        there = found.get(name)
        if there is not None and (fresh is None or fresh(there)):
            results[name] = Warmed(WarmOutcome.ALREADY, standing, entry=there)
        else:
            missing[name] = standing
    for name, filled in filling.fill(resource, missing, cause, fresh).items():
        results[name] = _warmed(missing[name], filled)
    return results


def _warmed(standing: Standing, filled: Filled) -> Warmed:
    outcome = _OUTCOMES[filled.ending]
    if filled.stored is StoreResult.UNREACHABLE:
        outcome = WarmOutcome.CACHE_UNREACHABLE
    return Warmed(outcome, standing, filled.entry, filled.loaded, filled.error)


def confirm(resource: Resource, standings: Mapping[str, Standing]) -> dict[str, Confirmation]:
    """Confirm pointers (rule 5): most by one multi-get, the rest one by one.

    Seeing ``current(q)`` with q at or above the ledger's revision is proof enough, and where a node
    says that nothing is there `advance` would do nothing (rule 2); only what is anything else needs
    a compare-and-set.
    """
    if not standings:
        return {}
    seen = pointer.see(resource.name, standings)
    confirmations = {}
    for name, standing in standings.items():
        there = seen.pointers.get(name)
        if isinstance(there, pointer.Current) and there.revision >= standing.revision:
            newer = there.revision > standing.revision
            confirmations[name] = Confirmation.NEWER if newer else Confirmation.ADVANCED
        elif name in seen.absent:
            confirmations[name] = Confirmation.NOTHING_THERE
        else:
            confirmations[name] = pointer.advance(
                resource.name, name, partial(resource.standing, name)
            )
    return confirmations
