"""Warms entries: has them in the shared cache, and their pointers confirmed, before the first read.

`fill` for standings that are known already. What is there and as new is left alone.
"""

from collections.abc import Mapping
from functools import partial

from coordinator.core import pointer
from coordinator.core.fill import Fresh, Warmed, WarmOutcome, fill
from coordinator.core.find import find_entries
from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Resource, Standing


def warm(
    resource: Resource, identifier: str, *, cause: str = "event", fresh: Fresh | None = None
) -> Warmed:
    """Have one entry warm and its pointer confirmed; see `warm_many`."""
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
    """Warm as `warm_many` does, and advance the pointers of what was loaded (rule 2)."""
    results = warm_many(resource, standings, cause=cause, fresh=fresh)
    loaded = {
        name: standings[name]
        for name, one in results.items()
        if one.warm and one.loaded is not None
    }
    confirm(resource, loaded)
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
    reached: it could not be kept. Never raises for a failure of upstream or the cache.
    """
    entries, reachable = find_entries(resource, standings)
    if not reachable:
        return dict.fromkeys(standings, Warmed(WarmOutcome.CACHE_UNREACHABLE))
    results: dict[str, Warmed] = {}
    missing: dict[str, Standing] = {}
    for name, standing in standings.items():
        there = entries.get(name)
        if there is not None and (fresh is None or fresh(there)):
            results[name] = Warmed(WarmOutcome.ALREADY, there)
        else:
            missing[name] = standing
    return results | fill(resource, missing, cause, fresh)


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
