"""Inspects everything that the cache holds of one thing: for an operator who asks why."""

from dataclasses import dataclass

from coordinator.core import cache, clock, entry, keys, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.pointer import Absent, Current, Pointer, Suspended
from coordinator.core.resource import Resource


@dataclass(frozen=True, slots=True)
class InspectedEntry:
    """One key that an entry can be under: what is there, or why it can't be used."""

    name: str
    cache_key: str
    entry: CacheEntry | None = None
    refused: str = ""
    usable: bool = False

    @property
    def there(self) -> bool:
        """Return True if any bytes are under this key."""
        return self.entry is not None or bool(self.refused)


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the shared cache holds of one thing, and whether it answered."""

    reachable: bool
    pointer_key: str
    pointer: Pointer | None
    pointer_damaged: bool
    lease_key: str
    lease: str
    entries: tuple[InspectedEntry, ...]

    @property
    def meaning(self) -> str:
        """Return what the pointer makes a reader do."""
        match self.pointer:
            case Current(state, revision):
                return f"use the entry of {state!r} if its revision is {revision} or more"
            case Suspended(revision):
                return f"ask the ledger: revision {revision} is being committed, or was just now"
            case Absent():
                return "answer that it does not exist"
        if self.pointer_damaged:
            return "ask the ledger: these bytes are no pointer"
        return "ask the ledger: there is no pointer"


def inspect(resource: Resource, identifier: str, revision: int | None) -> Inspected:
    """Return what the shared cache holds of one thing.

    `revision` is the one that a reader would want, None if the ledger does not know the thing.
    """
    keys.check_identifier(identifier)
    pointer_key = keys.pointer_key(resource.name, identifier)
    lease_key = keys.lease_key(resource.name, identifier, resource.schema)
    entry_keys = [resource.entry_key(identifier, state) for state in sorted(resource.states)]
    found, reachable = cache.get_shared(
        [pointer_key, lease_key, *(key.cache_key for key in entry_keys)]
    )
    there = pointer.decode(found.get(pointer_key), pointer_key)
    held = found.get(lease_key)
    return Inspected(
        reachable,
        pointer_key,
        there,
        pointer_key in found and there is None,
        lease_key,
        held.decode("utf-8", "replace") if isinstance(held, bytes) else "",
        tuple(_inspected(key, found.get(key.cache_key), revision) for key in entry_keys),
    )


def _inspected(key: keys.EntryKey, data: object, revision: int | None) -> InspectedEntry:
    if data is None:
        return InspectedEntry(key.name, key.cache_key)
    try:
        there = entry.decode(data, key)
    except entry.EntryUnusable as unusable:
        return InspectedEntry(key.name, key.cache_key, refused=unusable.reason)
    if revision is None:
        return InspectedEntry(key.name, key.cache_key, there, "not in the ledger")
    reason = there.unfit(revision, clock.current().now())
    return InspectedEntry(key.name, key.cache_key, there, reason, usable=not reason)
