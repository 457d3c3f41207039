"""Looks for what is current, and for its entry: pointer first, the ledger where there is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from coordinator.core import cache, filling, keys, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.pointer import Absent, Current, Gap, Pointer, Suspended
from coordinator.core.resource import Resource, Standing

_READS_OF_AN_OLD_SNAPSHOT = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What is current of one thing, and its entry if the cache has one that will do.

    `state` is None if the thing does not exist. `from_ledger` says that the pointer could not
    answer, because it was `suspended` or not there; `standing` is what the ledger said then.
    """

    state: str | None
    revision: int = 0
    entry: CacheEntry | None = None
    standing: Standing | None = None
    from_ledger: bool = False
    suspended: bool = False


def look(resource: Resource, identifiers: Iterable[str], *, tiered: bool = True) -> dict[str, Look]:
    """Return what is current of each identifier.

    Pointers and likely entries come in one multi-get; the ledger is asked in one query for all
    that have no usable pointer; entries that were not guessed take a second multi-get. With
    `tiered` False the request tier is passed by: for whoever waits for somebody else's entry.
    """
    names = list(dict.fromkeys(identifiers))
    pointer_keys = {name: keys.pointer_key(resource.name, name) for name in names}
    guessed = [
        filling.key_of(resource, name, state).cache_key
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
    looks: dict[str, Look] = {}
    unknown = []
    for name in names:
        match pointers.get(name):
            # A state that only another release knows: the ledger is asked what to make of it.
            case Current(state, revision) if state in resource.states:
                looks[name] = Look(state, revision)
            case Absent():
                looks[name] = Look(None)
            case _:
                unknown.append(name)
    if unknown:
        gaps: list[Gap] = []
        # In a transaction the row can be from an old snapshot, or not committed at all.
        if answer.reachable and not cache.forces_miss() and resource.may_seed():
            marks = (pointer.mark(resource.name, name) for name in names if name not in pointers)
            gaps = [gap for gap in marks if gap is not None]
        looks |= _from_ledger(resource, unknown, pointers)
        for gap in gaps:
            pointer.seed(gap, looks[gap.identifier].standing)
    return _with_entries(resource, looks, answer.found, frozenset(guessed), tiered=tiered)


def _get(entry_keys: list[str], pointer_keys: list[str], *, tiered: bool) -> cache.Answer:
    if tiered:
        return cache.get_entries(entry_keys, *pointer_keys)
    if cache.forces_miss():
        # Whoever forces a miss and waits for the lease still wants no stored entry.
        entry_keys = []
    return cache.get_shared([*entry_keys, *pointer_keys])


def _from_ledger(
    resource: Resource, names: list[str], pointers: Mapping[str, Pointer]
) -> dict[str, Look]:
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
        name: Look(
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
    looks: dict[str, Look],
    found: Mapping[str, object],
    guessed: frozenset[str],
    *,
    tiered: bool,
) -> dict[str, Look]:
    entry_keys = {
        name: filling.key_of(resource, name, look.state)
        for name, look in looks.items()
        if look.state is not None
    }
    more = [key.cache_key for key in entry_keys.values() if key.cache_key not in guessed]
    if more:
        found = {**found, **_get(more, [], tiered=tiered).found}
    complete = dict(looks)
    again = []
    for name, key in entry_keys.items():
        data = found.get(key.cache_key)
        if data is None:
            continue
        entry = filling.usable_entry(data, key, looks[name].revision)
        if entry is not None:
            complete[name] = replace(looks[name], entry=entry)
        elif tiered:
            again.append(name)
    if again and not cache.forces_miss():
        # What the request tier remembers may be the past of this very request or task: the shared
        # cache has the last word, and what it says is remembered instead.
        fresh = cache.get_shared(entry_keys[name].cache_key for name in again).found
        for name in again:
            key = entry_keys[name]
            data = fresh.get(key.cache_key)
            entry = None if data is None else filling.usable_entry(data, key, looks[name].revision)
            if entry is not None:
                cache.remember(key.cache_key, data)
                complete[name] = replace(looks[name], entry=entry)
    return complete
