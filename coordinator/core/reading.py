"""Reads one thing: from the cache if it is warm, and as a worker would load it if it is not."""

import random
from collections.abc import Iterable
from dataclasses import replace

from coordinator.core import (
    cache,
    clock,
    events,
    filling,
    keys,
    loading,
    pointer,
    storing,
    switches,
)
from coordinator.core.entry import CacheEntry, EntryRefused, decode
from coordinator.core.looking import Look, look
from coordinator.core.lookup import Allowed, Busy, Lookup, Outcome
from coordinator.core.missing import answer, deadline, miss, miss_many
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError

__all__ = ["Allowed", "Busy", "Lookup", "Outcome", "read", "read_many"]

# The smallest chance that random() leaves is 2**-53, whose logarithm is -36.7.
_LONGEST_LEAD = 37.0


def read(resource: Resource, identifier: str, *, allowed: Allowed | None = None) -> Lookup:
    """Return what is current of `identifier`, never older than the last committed change.

    `allowed` is asked with the owner before anything is loaded: a stranger never costs an upstream
    request. Raise InvalidIdentifier, Busy when the time to wait is spent, or the error that the
    load met; what the cache does is never raised.
    """
    started = clock.current().monotonic()
    if switches.reads_bypass(started):
        keys.check_identifier(identifier)
        result = _past_the_cache(resource, [identifier], allowed)[identifier]
        if isinstance(result, CoordinatorError):
            raise result
        return _told(resource, result, started)
    names = keys.names(resource.name, identifier, resource.schema)
    lookup = _warm(resource, names, allowed)
    if lookup is None:
        first = look(resource, [identifier])[identifier]
        if first.state is not None:
            names.last_state = first.state
        lookup = answer(resource, identifier, first, allowed)
        if lookup is None:
            lookup = miss(resource, identifier, first, allowed, deadline(started))
        elif lookup.entry is not None:
            _refresh_if_due(resource, identifier, lookup.entry, clock.current().now())
    return _told(resource, lookup, started)


def read_many(
    resource: Resource, identifiers: Iterable[str], *, allowed: Allowed | None = None
) -> dict[str, Lookup | CoordinatorError]:
    """Return what is current of each; misses are loaded concurrently.

    One multi-get for the warm ones. An error belongs to its identifier and spoils no other; but for
    InvalidIdentifier, which is raised.
    """
    started = clock.current().monotonic()
    names = [keys.check_identifier(name) for name in dict.fromkeys(identifiers)]
    if switches.reads_bypass(started):
        past = _past_the_cache(resource, names, allowed)
        for result in past.values():
            if isinstance(result, Lookup):
                _told(resource, result, started)
        return {name: past[name] for name in names}
    results: dict[str, Lookup | CoordinatorError] = {}
    missed: dict[str, Look] = {}
    for name, one in look(resource, names).items():
        lookup = answer(resource, name, one, allowed)
        if lookup is None:
            missed[name] = one
            continue
        if lookup.entry is not None:
            _refresh_if_due(resource, name, lookup.entry, clock.current().now())
        results[name] = _told(resource, lookup, started)
    for name, ending in miss_many(resource, missed, allowed, deadline(started)).items():
        results[name] = (
            ending if isinstance(ending, CoordinatorError) else _told(resource, ending, started)
        )
    return {name: results[name] for name in names}


def _warm(resource: Resource, names: keys.Names, allowed: Allowed | None) -> Lookup | None:
    """Return the answer if pointer and entry say it in one round trip, None if anything is amiss.

    The state that was current when this process last looked names the entry to ask for together
    with the pointer; a wrong guess, like everything else that is not plainly warm, is looked at
    properly by whoever called.
    """
    state = names.last_state
    key = names.entry_key(state or (resource.likely_states or tuple(resource.states))[0])
    pointer_data, entry_data = cache.get_pair(names.pointer_key, key.cache_key)
    if pointer_data is None or entry_data is None:
        return None
    current = pointer.decode(pointer_data, names.pointer_key)
    if not isinstance(current, pointer.Current) or current.state != key.state:
        return None
    try:
        entry = decode(entry_data, key)
    except EntryRefused:
        return None
    now = clock.current().now()
    if entry.unfit(current.revision, now):
        return None
    names.last_state = key.state
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, key.name)
    _refresh_if_due(resource, names.identifier, entry, now)
    return Lookup(Outcome.HIT, key.name, entry)


def _past_the_cache(
    resource: Resource, identifiers: list[str], allowed: Allowed | None
) -> dict[str, Lookup | CoordinatorError]:
    """Return what ledger and upstream say of each now, and leave the cache alone."""
    standings = resource.standings(identifiers)
    results: dict[str, Lookup | CoordinatorError] = {}
    wanted: dict[str, Standing] = {}
    for name in identifiers:
        standing = standings.get(name)
        found = Look(None) if standing is None else Look(standing.state, standing=standing)
        lookup = answer(resource, name, replace(found, from_ledger=True), allowed)
        if lookup is not None:
            results[name] = lookup
        elif standing is not None:
            wanted[name] = standing
    for name, fetched in loading.fetch(resource, wanted, "read"):
        results[name] = _unkept(resource, name, wanted[name], fetched, allowed)
    return results


def _unkept(
    resource: Resource,
    identifier: str,
    standing: Standing,
    fetched: loading.Fetched,
    allowed: Allowed | None,
) -> Lookup | CoordinatorError:
    if not isinstance(fetched.result, Loaded):
        return fetched.result
    entry = storing.build(resource, standing, fetched.result, fetched)
    name = filling.key_of(resource, identifier, standing.state).name
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return Lookup(Outcome.MISS, name, entry, from_ledger=True)


def _refresh_if_due(resource: Resource, identifier: str, entry: CacheEntry, now: float) -> None:
    if now + entry.load_seconds * _LONGEST_LEAD < entry.refresh_after:
        # Too early for any chance to make it due: nearly every read ends here.
        return
    # 1 - random() is in (0, 1]: the logarithm of 0 is not to be had.
    if entry.due(now, 1.0 - random.random()):
        events.emit(events.EntryDue(resource.name, identifier, entry.state, entry.loaded_at))


def _told(resource: Resource, lookup: Lookup, started: float) -> Lookup:
    if events.heard(events.EntryRead):
        events.emit(
            # By position, at every read: names would take as long again.
            events.EntryRead(
                resource.name,
                lookup.entry_name,
                lookup.outcome.value,
                lookup.from_ledger,
                lookup.collapsed,
                clock.current().monotonic() - started,
            )
        )
    return lookup
