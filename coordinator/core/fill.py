"""Fills what is missing: lease, load, check, store. One path for readers and workers alike."""

import enum
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coordinator.core import cache, clock, conf, entry, events, lease, load
from coordinator.core.entry import CacheEntry
from coordinator.core.find import find_entries
from coordinator.core.keys import EntryKey
from coordinator.core.lease import Flight, Lease
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CacheUnreachable, CoordinatorError

_STORE_ATTEMPTS = 8

#: Says whether an entry that is there already will do.
Fresh = Callable[[CacheEntry], bool]


class WarmOutcome(enum.Enum):
    """How having one entry in the shared cache ended: the one type from `store` to the warmer."""

    WARMED = "warmed"
    """Stored just now."""
    ALREADY = "already"
    """One that will do was there, or one at least as new was stored while ours was loaded."""
    UNKNOWN = "unknown"
    """The ledger does not know the thing."""
    BUSY = "busy"
    """Another caller holds the lease and loads it: look again shortly."""
    LAGGED = "lagged"
    """Upstream contradicts the ledger: fit to answer a read with, not to store."""
    FAILED = "failed"
    """Upstream failed; the error says whether trying again can help."""
    UNSTORED = "unstored"
    """The cache refuses the value: it is too large, and stays so."""
    CACHE_UNREACHABLE = "cache_unreachable"
    """The node that keeps this key did not answer."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """How it ended, with what there is to show.

    `loaded` is what upstream said, None if it was not asked or failed. `flight` is the load of
    another thread of this process, which can be waited for, if that one holds the lease.
    """

    outcome: WarmOutcome
    entry: CacheEntry | None = None
    loaded: Loaded | None = None
    error: CoordinatorError | None = None
    flight: Flight | None = None

    @property
    def warm(self) -> bool:
        """Return True if the shared cache has the entry."""
        return self.outcome in (WarmOutcome.WARMED, WarmOutcome.ALREADY)


def fill(
    resource: Resource,
    standings: Mapping[str, Standing],
    cause: str,
    fresh: Fresh | None = None,
) -> dict[str, Warmed]:
    """Load and store the entries that `standings` name, each under its lease. Never raises.

    `standings` must have been read from the ledger before this call: their revision is what the
    entries will claim. `fresh` says which entry found under the lease will do; by default any with
    at least the standing's revision. Those that end BUSY were left to the lease's holder.
    """
    filled: dict[str, Warmed] = {}
    for batch in load.batches(resource, standings):
        filled |= _fill(resource, batch, cause, fresh)
    return filled


def _fill(
    resource: Resource, standings: Mapping[str, Standing], cause: str, fresh: Fresh | None
) -> dict[str, Warmed]:
    filled: dict[str, Warmed] = {}
    held: dict[str, Lease] = {}
    try:
        revisions = {name: standing.revision for name, standing in standings.items()}
        acquired = lease.acquire_many(resource.name, revisions, resource.schema)
        for name, got in acquired.items():
            if isinstance(got, Lease):
                held[name] = got
            else:
                filled[name] = Warmed(WarmOutcome.BUSY, flight=got)
        mine = {name: standings[name] for name in held}
        # Under the lease: its last holder may have stored this entry already.
        for name, there in find_entries(resource, mine).entries.items():
            if fresh is None or fresh(there):
                filled[name] = Warmed(WarmOutcome.ALREADY, there)
        _land(held, filled)
        wanted = {name: standing for name, standing in mine.items() if name not in filled}
        for together in load.fetch_together(resource, wanted, cause):
            filled |= _keep(resource, wanted, together, cause)
            _land(held, filled)
    finally:
        _land(held, {name: filled.get(name, Warmed(WarmOutcome.FAILED)) for name in held})
    return filled


def _keep(
    resource: Resource,
    standings: Mapping[str, Standing],
    together: Mapping[str, load.Fetched],
    cause: str,
) -> dict[str, Warmed]:
    """Check what was loaded, and store at one go what passes of all that came together."""
    filled: dict[str, Warmed] = {}
    passed: dict[str, tuple[EntryKey, CacheEntry, Loaded]] = {}
    for name, fetched in together.items():
        loaded, standing = fetched.result, standings[name]
        if not isinstance(loaded, Loaded):
            filled[name] = Warmed(WarmOutcome.FAILED, error=loaded)
            continue
        new = build(resource, standing, loaded, fetched)
        if loaded.lags(standing):
            filled[name] = Warmed(WarmOutcome.LAGGED, new, loaded)
        elif not resource.is_committed(name):
            # Fit to answer with, in the transaction whose change it shows, and for no other reader.
            filled[name] = Warmed(WarmOutcome.UNSTORED, new, loaded)
        else:
            passed[name] = resource.entry_key(name, standing.state), new, loaded
    outcomes = store_many({key: new for key, new, _ in passed.values()}, clock.current().now())
    for name, (key, new, loaded) in passed.items():
        outcome = outcomes[key]
        stored = outcome is WarmOutcome.WARMED
        events.emit(events.EntryWarmed(resource.name, key.name, new.revision, cause, stored=stored))
        filled[name] = Warmed(outcome, new, loaded)
    return filled


def _land(held: dict[str, Lease], filled: Mapping[str, Warmed]) -> None:
    """Give back those of the leases whose filling has ended."""
    ended = {name: filled[name] for name in held if name in filled}
    lease.release_many((held[name], one.entry, one.error) for name, one in ended.items())
    for name in ended:
        del held[name]


# -- storing: newer over older -----------------------------------------------------------------


def build(
    resource: Resource, standing: Standing, loaded: Loaded, fetched: load.Fetched
) -> CacheEntry:
    """Return the entry for what was loaded at this standing.

    Jitter only shortens: entries made together must not all end together, and none may outlive
    the timeout.
    """
    spread = random.random() * conf.number("ENTRY_JITTER")  # spreads load, hides nothing
    timeout = conf.seconds("ENTRY_TIMEOUT") * (1 - spread)
    return CacheEntry(
        payload=loaded.payload,
        state=standing.state,
        revision=standing.revision,
        loaded_at=fetched.began,
        load_seconds=fetched.seconds,
        refresh_after=fetched.began + timeout * conf.number("REFRESH_AFTER"),
        expires_at=fetched.began + timeout,
        # Stored only if the ledger agrees. If it does not, a reader needs the consent of both.
        owner=loaded.owner,
        schema=resource.schema,
        etag=entry.etag_of(loaded.payload),
    )


def store(key: EntryKey, new: CacheEntry, now: float) -> WarmOutcome:
    """Store `new` under `key` if it is newer than what is there, by compare-and-set.

    Return WARMED if it is stored, ALREADY if one at least as new is there, UNSTORED if the server
    refuses the value (most likely for its size), CACHE_UNREACHABLE if its node did not answer.
    """
    return store_many({key: new}, now)[key]


def store_many(entries: Mapping[EntryKey, CacheEntry], now: float) -> dict[EntryKey, WarmOutcome]:
    """Store each as `store` does: those with nothing there in one round trip."""
    encoded = {key: entry.encode(new, key) for key, new in entries.items()}
    # memcached counts whole seconds and takes 0 for "never": at least one.
    timeouts = {key: max(1.0, new.expires_at - now) for key, new in entries.items()}
    added: Mapping[str, bool] = {}
    if len(entries) > 1:
        try:
            added = cache.add_many(
                {key.cache_key: (data, timeouts[key]) for key, data in encoded.items()}
            )
        except CacheUnreachable:
            # Some node did not answer. Each goes by itself: those of the others are stored.
            added = {}
    outcomes = {}
    for key, new in entries.items():
        outcome = WarmOutcome.WARMED
        if not added.get(key.cache_key, False):
            try:
                in_its_way = key.cache_key in added
                outcome = _store(key, new, encoded[key], timeouts[key], in_its_way=in_its_way)
            except CacheUnreachable:
                outcome = WarmOutcome.CACHE_UNREACHABLE
        if outcome is WarmOutcome.WARMED:
            # Only now: a value that the server rejected must not look found to the rest of this
            # task.
            cache.remember(key.cache_key, encoded[key])
        outcomes[key] = outcome
    return outcomes


def _store(
    key: EntryKey, new: CacheEntry, data: bytes, timeout: float, *, in_its_way: bool
) -> WarmOutcome:
    """Store one; `in_its_way` says that it could not be added a moment ago."""
    gone = 0
    for attempt in range(_STORE_ATTEMPTS):
        if not (in_its_way and attempt == 0) and cache.add(key.cache_key, data, timeout):
            return WarmOutcome.WARMED
        there = cache.get_with_token(key.cache_key)
        if there is None:
            # Not added, and nothing is there: the server refuses the value, unless what was in its
            # way ran out between the two calls. That does not happen twice, and a megabyte that is
            # refused again must not be sent again and again.
            gone += 1
            if gone > 1:
                break
            continue
        try:
            if entry.decode(there.value, key).order() >= new.order():
                return WarmOutcome.ALREADY
        except entry.EntryUnusable:
            pass  # Damaged, or of another release: no reader of this one could use it.
        # The one permitted overwrite of an entry: the same state was entered again, or its content
        # changed or was refreshed, and (revision, loaded_at) says that ours is the newer one. By
        # compare-and-set, so a late writer who read before us can't put the older one back.
        if cache.replace(key.cache_key, data, there.token, timeout):
            return WarmOutcome.WARMED
    return WarmOutcome.UNSTORED
