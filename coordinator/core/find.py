"""Finds what is current of a thing, and its entry: pointer first, the ledger where there is none.

The order of the work: pointers and likely entries in one multi-get; one query to the ledger for
all without a usable pointer (and what it says fills the gaps, rule 3 of docs/decisions/0004); a
second multi-get for the entries that were not guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from coordinator.core import cache, clock, entry, events, keys, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.keys import EntryKey
from coordinator.core.pointer import Absent, Current, Gap, Pointer, Suspended
from coordinator.core.resource import Resource, Standing

_READS_OF_AN_OLD_SNAPSHOT = 3


@dataclass(frozen=True, slots=True)
class Known:
    """What is current of one thing, and its entry if the cache has a usable one.

    `state` is None if the thing does not exist. `from_ledger` says that the pointer could not
    answer, because it was `suspended` or not there; `standing` is what the ledger said then.
    """

    state: str | None
    revision: int = 0
    entry: CacheEntry | None = None
    standing: Standing | None = None
    from_ledger: bool = False
    suspended: bool = False


def find(
    resource: Resource, identifiers: Iterable[str], *, tiered: bool = True
) -> dict[str, Known]:
    """Return what is current of each identifier.

    With `tiered` False the request tier is passed by: for a reader that waits for an entry which
    another process stores.
    """
    names = list(dict.fromkeys(identifiers))
    pointer_keys = {name: keys.pointer_key(resource.name, name) for name in names}
    guessed = [
        resource.entry_key(name, state).cache_key
        for name in names
        for state in resource.likely_states
    ]
    answer = _get(guessed, list(pointer_keys.values()), tiered=tiered)
    pointers: dict[str, Pointer] = {}
    if not cache.forces_miss():
        for name, key in pointer_keys.items():
            known = pointer.decode(answer.found.get(key), key) if key in answer.found else None
            if known is not None:
                pointers[name] = known
    found: dict[str, Known] = {}
    unknown = []
    for name in names:
        match pointers.get(name):
            # A state that only another release knows is left to the ledger.
            case Current(state, revision) if state in resource.states:
                found[name] = Known(state, revision)
            case Absent():
                found[name] = Known(None)
            case _:
                unknown.append(name)
    if unknown:
        gaps: list[Gap] = []
        # In a transaction the row can be from an old snapshot, or not committed at all.
        if answer.reachable and not cache.forces_miss() and resource.may_seed():
            marks = (pointer.mark(resource.name, name) for name in names if name not in pointers)
            gaps = [gap for gap in marks if gap is not None]
        found |= _from_ledger(resource, unknown, pointers)
        for gap in gaps:
            pointer.seed(gap, found[gap.identifier].standing)
    return _with_entries(resource, found, answer.found, frozenset(guessed), tiered=tiered)


def _get(entry_keys: list[str], pointer_keys: list[str], *, tiered: bool) -> cache.Held:
    if tiered:
        return cache.get_entries(entry_keys, *pointer_keys)
    if cache.forces_miss():
        # A request that forces misses wants no stored entry, not even after waiting for the lease.
        entry_keys = []
    return cache.get_shared([*entry_keys, *pointer_keys])


def _from_ledger(
    resource: Resource, names: list[str], pointers: Mapping[str, Pointer]
) -> dict[str, Known]:
    standings = dict(resource.standings(names))
    for _ in range(_READS_OF_AN_OLD_SNAPSHOT):
        # suspended(q) was set with q-1 committed: less than that is a snapshot from before.
        behind = [
            name
            for name in names
            if isinstance(there := pointers.get(name), Suspended)
            and _revision(standings.get(name)) < there.revision - 1
        ]
        if not behind or not resource.may_seed():
            break
        standings |= resource.standings(behind)
    return {
        name: Known(
            standing.state if (standing := standings.get(name)) else None,
            _revision(standing),
            standing=standing,
            from_ledger=True,
            suspended=isinstance(pointers.get(name), Suspended),
        )
        for name in names
    }


def _revision(standing: Standing | None) -> int:
    return 0 if standing is None else standing.revision


def _with_entries(
    resource: Resource,
    found: dict[str, Known],
    held: Mapping[str, object],
    guessed: frozenset[str],
    *,
    tiered: bool,
) -> dict[str, Known]:
    entry_keys = {
        name: resource.entry_key(name, one.state)
        for name, one in found.items()
        if one.state is not None
    }
    more = [key.cache_key for key in entry_keys.values() if key.cache_key not in guessed]
    if more:
        held = {**held, **_get(more, [], tiered=tiered).found}
    complete = dict(found)
    again = []
    for name, key in entry_keys.items():
        data = held.get(key.cache_key)
        if data is None:
            continue
        usable = usable_entry(data, key, found[name].revision)
        if usable is not None:
            complete[name] = replace(found[name], entry=usable)
        elif tiered:
            again.append(name)
    if again and not cache.forces_miss():
        # What the request tier remembers may be older than a change of this very request or task:
        # the shared cache has the last word, and what it says is remembered instead.
        fresh = cache.get_shared(entry_keys[name].cache_key for name in again).found
        for name in again:
            key = entry_keys[name]
            data = fresh.get(key.cache_key)
            usable = None if data is None else usable_entry(data, key, found[name].revision)
            if usable is not None:
                cache.remember(key.cache_key, data)
                complete[name] = replace(found[name], entry=usable)
    return complete


class Entries(NamedTuple):
    """The usable entries by identifier, and whether the shared cache answered at all."""

    entries: Mapping[str, CacheEntry]
    reachable: bool


def find_entries(resource: Resource, standings: Mapping[str, Standing]) -> Entries:
    """Return the entries in the shared cache that are as new as `standings` say, in one multi-get.

    Past the request tier, which may remember an older entry than the shared cache has by now.
    """
    if not standings or cache.forces_miss():
        return Entries({}, True)
    entry_keys = {name: resource.entry_key(name, st.state) for name, st in standings.items()}
    held, reachable = cache.get_shared(key.cache_key for key in entry_keys.values())
    usable = {}
    for name, key in entry_keys.items():
        data = held.get(key.cache_key)
        if data is None:
            continue
        there = usable_entry(data, key, standings[name].revision)
        if there is not None:
            usable[name] = there
    return Entries(usable, reachable)


def usable_entry(data: object, key: EntryKey, revision: int) -> CacheEntry | None:
    """Return the entry in `data` if it is intact, alive, of this schema and at least `revision`."""
    try:
        there = entry.decode(data, key)
    except entry.EntryUnusable as unusable:
        events.emit(events.EntryRefused(key.resource, key.name, unusable.reason))
        return None
    reason = there.unfit(revision, clock.current().now())
    if reason:
        events.emit(events.EntryRefused(key.resource, key.name, reason))
        return None
    return there
