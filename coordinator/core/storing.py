"""The entry rule: stores what a load brought, unless something newer is there already."""

import enum
import random
from collections.abc import Mapping

from coordinator.core import cache, conf, entry
from coordinator.core.entry import CacheEntry
from coordinator.core.keys import EntryKey
from coordinator.core.loading import Fetched
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CacheUnreachable

_ATTEMPTS = 8


class StoreResult(enum.Enum):
    """How storing an entry ended."""

    STORED = "stored"
    NEWER_THERE = "newer_there"
    """Lost to one at least as new: an outcome, not an error."""
    REFUSED = "refused"
    """The server won't take it, most likely for its size."""
    UNREACHABLE = "unreachable"


def build(resource: Resource, standing: Standing, loaded: Loaded, fetched: Fetched) -> CacheEntry:
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


def store(key: EntryKey, new: CacheEntry, now: float) -> StoreResult:
    """Store `new` under `key` if it is newer than what is there, by compare-and-set."""
    return store_many({key: new}, now)[key]


def store_many(entries: Mapping[EntryKey, CacheEntry], now: float) -> dict[EntryKey, StoreResult]:
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
    results = {}
    for key, new in entries.items():
        result = StoreResult.STORED
        if not added.get(key.cache_key, False):
            try:
                in_its_way = key.cache_key in added
                result = _store(key, new, encoded[key], timeouts[key], in_its_way=in_its_way)
            except CacheUnreachable:
                result = StoreResult.UNREACHABLE
        if result is StoreResult.STORED:
            # Only now: a value that the server rejected must not look found to the rest of this
            # task.
            cache.remember(key.cache_key, encoded[key])
        results[key] = result
    return results


def _store(
    key: EntryKey, new: CacheEntry, data: bytes, timeout: float, *, in_its_way: bool
) -> StoreResult:
    """Store one; `in_its_way` says that it could not be added a moment ago."""
    gone = 0
    for attempt in range(_ATTEMPTS):
        if not (in_its_way and attempt == 0) and cache.add(key.cache_key, data, timeout):
            return StoreResult.STORED
        there = cache.get_with_token(key.cache_key)
        if there is None:
            # Not added, and nothing is there: the server refuses the value, unless what was in its
            # way ran out between the two calls. That does not happen twice: a megabyte that nobody
            # will keep is not sent again and again.
            gone += 1
            if gone > 1:
                break
            continue
        try:
            if entry.decode(there.value, key).order() >= new.order():
                return StoreResult.NEWER_THERE
        except entry.EntryRefused:
            pass  # Damaged, or of another release: nothing that a reader of this one could use.
        # The one permitted overwrite of an entry: the same state was entered again, or its content
        # changed or was refreshed, and (revision, loaded_at) says that ours is the newer one. By
        # compare-and-set, so a late writer who read before us can't put the older one back.
        if cache.replace(key.cache_key, data, there.token, timeout):
            return StoreResult.STORED
    return StoreResult.REFUSED
