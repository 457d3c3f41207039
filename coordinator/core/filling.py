"""Fills what is missing: lease, load, check, store. The one path of readers and workers alike."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from coordinator.core import cache, clock, entry, events, keys, lease, loading, storing
from coordinator.core.entry import CacheEntry
from coordinator.core.keys import EntryKey
from coordinator.core.lease import Flight, Lease
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.core.storing import StoreResult
from coordinator.errors import CoordinatorError

Fresh = Callable[[CacheEntry], bool]


class Filling(enum.Enum):
    """How filling one entry ended."""

    STORED = "stored"
    FOUND = "found"
    """Somebody else had stored one that will do."""
    UNSTORED = "unstored"
    """Loaded and checked, but the cache did not take it."""
    LAGGED = "lagged"
    """Upstream said something else than the ledger: fit to answer with, not to store."""
    BUSY = "busy"
    """Somebody else holds the lease."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Filled:
    """How it ended, with what there is to show: an entry, what upstream said, or the error."""

    ending: Filling
    entry: CacheEntry | None = None
    loaded: Loaded | None = None
    error: CoordinatorError | None = None
    flight: Flight | None = None
    stored: StoreResult | None = None


def fill(
    resource: Resource,
    standings: Mapping[str, Standing],
    cause: str,
    fresh: Fresh | None = None,
) -> dict[str, Filled]:
    """Load and store the entries that `standings` name, each under its lease. Never raises.

    `standings` must have been read from the ledger before this call: their revision is what the
    entries will claim. `fresh` says which entry found under the lease will do; by default any with
    at least the standing's revision. BUSY ones were left to whoever holds the lease.
    """
    filled: dict[str, Filled] = {}
    for share in loading.shares(resource, standings):
        filled |= _fill(resource, share, cause, fresh)
    return filled


def _fill(
    resource: Resource, standings: Mapping[str, Standing], cause: str, fresh: Fresh | None
) -> dict[str, Filled]:
    filled: dict[str, Filled] = {}
    held: dict[str, Lease] = {}
    try:
        revisions = {name: standing.revision for name, standing in standings.items()}
        acquired = lease.acquire_many(resource.name, revisions, resource.schema)
        for name, got in acquired.items():
            if isinstance(got, Lease):
                held[name] = got
            else:
                filled[name] = Filled(Filling.BUSY, flight=got)
        mine = {name: standings[name] for name in held}
        # Under the lease: whoever held it before us may have stored what we came for.
        for name, there in find(resource, mine).entries.items():
            if fresh is None or fresh(there):
                filled[name] = Filled(Filling.FOUND, entry=there)
        _land(held, filled)
        wanted = {name: standing for name, standing in mine.items() if name not in filled}
        for together in loading.fetch_together(resource, wanted, cause):
            filled |= _keep(resource, wanted, together, cause)
            _land(held, filled)
    finally:
        _land(held, {name: filled.get(name, Filled(Filling.FAILED)) for name in held})
    return filled


class Found(NamedTuple):
    """The usable entries by identifier, and whether the shared cache answered at all."""

    entries: Mapping[str, CacheEntry]
    reachable: bool


def find(resource: Resource, standings: Mapping[str, Standing]) -> Found:
    """Return the entries in the shared cache that are as new as `standings` say, in one multi-get.

    Past the request tier: a remembered entry would hide the one that is being waited for.
    """
    if not standings or cache.forces_miss():
        return Found({}, True)
    entry_keys = {name: key_of(resource, name, st.state) for name, st in standings.items()}
    found, reachable = cache.get_shared(key.cache_key for key in entry_keys.values())
    usable = {}
    for name, key in entry_keys.items():
        data = found.get(key.cache_key)
        if data is None:
            continue
        there = usable_entry(data, key, standings[name].revision)
        if there is not None:
            usable[name] = there
    return Found(usable, reachable)


def usable_entry(data: object, key: EntryKey, revision: int) -> CacheEntry | None:
    """Return the entry in `data` if it is intact, alive, of this schema and at least `revision`."""
    try:
        there = entry.decode(data, key)
    except entry.EntryRefused as refused:
        events.emit(events.EntryRefused(key.resource, str(key), refused.reason))
        return None
    reason = there.unfit(revision, clock.current().now())
    if reason:
        events.emit(events.EntryRefused(key.resource, str(key), reason))
        return None
    return there


def key_of(resource: Resource, identifier: str, state: str) -> EntryKey:
    """Return the name of the entry for this state."""
    return keys.names(resource.name, identifier, resource.schema).entry_key(state)


def _keep(
    resource: Resource,
    standings: Mapping[str, Standing],
    together: Mapping[str, loading.Fetched],
    cause: str,
) -> dict[str, Filled]:
    """Check what was loaded, and store what passes: all that came together, at one go."""
    filled: dict[str, Filled] = {}
    passed: dict[str, tuple[EntryKey, CacheEntry, Loaded]] = {}
    for name, fetched in together.items():
        loaded, standing = fetched.result, standings[name]
        if not isinstance(loaded, Loaded):
            filled[name] = Filled(Filling.FAILED, error=loaded)
            continue
        new = storing.build(resource, standing, loaded, fetched)
        if loaded.lags(standing):
            filled[name] = Filled(Filling.LAGGED, entry=new, loaded=loaded)
        else:
            passed[name] = key_of(resource, name, standing.state), new, loaded
    results = storing.store_many(
        {key: new for key, new, _ in passed.values()}, clock.current().now()
    )
    for name, (key, new, loaded) in passed.items():
        result = results[key]
        stored = result is StoreResult.STORED
        events.emit(events.EntryWarmed(resource.name, str(key), new.revision, cause, stored=stored))
        kept = stored or result is StoreResult.NEWER_THERE
        ending = Filling.STORED if kept else Filling.UNSTORED
        filled[name] = Filled(ending, entry=new, loaded=loaded, stored=result)
    return filled


def _land(held: dict[str, Lease], filled: Mapping[str, Filled]) -> None:
    """Give back those of the leases whose filling has ended."""
    ended = [name for name in held if name in filled]
    endings = [(name, filled[name]) for name in ended]
    lease.release_many((held[name], one.entry, one.error) for name, one in endings)
    for name in ended:
        del held[name]
