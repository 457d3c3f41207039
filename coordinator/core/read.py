"""Reads one thing: from the cache if it is warm, otherwise by loading it as a worker would.

`read` is the front door. A plainly warm thing is answered in one round trip (`_warm`). For any
other, ``find`` says what is current, and `_miss` loads its entry under the lease, or waits for the
reader or worker that holds it.
"""

import enum
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from coordinator.core import cache, clock, conf, events, fill, keys, load, pointer, switches
from coordinator.core.entry import CacheEntry, EntryUnusable, decode
from coordinator.core.fill import Warmed, WarmOutcome
from coordinator.core.find import Known, find
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError

# The smallest chance that random() leaves is 2**-53, whose logarithm is -36.7.
_LONGEST_LEAD = 37.0
_FIRST_WAIT_SECONDS = 0.005
_LONGEST_WAIT_SECONDS = 0.1

#: Asked with an entry's owner; False makes the thing absent for this reader.
Allowed = Callable[[str], bool]


class Outcome(enum.Enum):
    """How a read ended."""

    HIT = "hit"
    MISS = "miss"
    ABSENT = "absent"
    """The ledger does not know it."""
    DENIED = "denied"
    """It belongs to another owner; for this reader it does not exist."""


class Busy(CoordinatorError):
    """Another reader or worker is loading this, and the time to wait for it is spent."""

    retry_after_seconds = 1.0


class Lookup(msgspec.Struct, frozen=True):
    """The answer to one read. Match its outcome; it has no truth value of its own.

    `stored` says that a miss left a warm entry behind, `collapsed` that it waited for another
    caller's load, `from_ledger` that the pointer could not answer.
    """

    outcome: Outcome
    entry_name: str
    entry: CacheEntry | None = None
    stored: bool = False
    collapsed: bool = False
    from_ledger: bool = False

    def __bool__(self) -> bool:
        raise TypeError("a Lookup is neither true nor false: match its outcome")


# -- the front door ----------------------------------------------------------------------------


def read(resource: Resource, identifier: str, *, allowed: Allowed | None = None) -> Lookup:
    """Return what is current of `identifier`, never older than the last committed change.

    `allowed` is asked with the owner before anything is loaded, so a reader without permission
    never costs an upstream request. Raise InvalidIdentifier, Busy when the time to wait is spent,
    or the error that the load met; a failing cache is never raised.
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
        found = find(resource, [identifier])[identifier]
        if found.state is not None:
            names.last_state = found.state
        lookup = _answer(resource, identifier, found, allowed)
        if lookup is None:
            lookup = _miss(resource, identifier, found, allowed, _deadline(started))
        elif lookup.entry is not None:
            _refresh_if_due(resource, identifier, lookup.entry, clock.current().now())
    return _told(resource, lookup, started)


def read_many(
    resource: Resource, identifiers: Iterable[str], *, allowed: Allowed | None = None
) -> dict[str, Lookup | CoordinatorError]:
    """Return what is current of each identifier; the warm ones cost one multi-get.

    Misses are loaded concurrently. A load's error becomes that identifier's result and leaves the
    others untouched. Raise InvalidIdentifier if any of them can't be part of a key.
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
    missed: dict[str, Known] = {}
    for name, one in find(resource, names).items():
        lookup = _answer(resource, name, one, allowed)
        if lookup is None:
            missed[name] = one
            continue
        if lookup.entry is not None:
            _refresh_if_due(resource, name, lookup.entry, clock.current().now())
        results[name] = _told(resource, lookup, started)
    for name, result in _miss_many(resource, missed, allowed, _deadline(started)).items():
        results[name] = (
            result if isinstance(result, CoordinatorError) else _told(resource, result, started)
        )
    return {name: results[name] for name in names}


def _warm(resource: Resource, names: keys.Names, allowed: Allowed | None) -> Lookup | None:
    """Return the answer if pointer and entry give it in one round trip, None otherwise.

    The state that was current when this process last looked names the entry to ask for together
    with the pointer. A wrong guess is left to `find`, like anything else that is not plainly warm.
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
    except EntryUnusable:
        return None
    now = clock.current().now()
    if entry.unfit(current.revision, now):
        return None
    names.last_state = key.state
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, key.name)
    _refresh_if_due(resource, names.identifier, entry, now)
    return Lookup(Outcome.HIT, key.name, entry)


def _answer(
    resource: Resource, identifier: str, found: Known, allowed: Allowed | None
) -> Lookup | None:
    """Return the answer that `found` gives, or None if upstream has to be asked."""
    if found.state is None:
        name = f"{resource.name}.{identifier}"
        return Lookup(Outcome.ABSENT, name, from_ledger=found.from_ledger)
    name = resource.entry_key(identifier, found.state).name
    if found.entry is not None:
        if allowed is not None and not allowed(found.entry.owner):
            return Lookup(Outcome.DENIED, name, from_ledger=found.from_ledger)
        return Lookup(Outcome.HIT, name, found.entry, from_ledger=found.from_ledger)
    if found.standing is not None and allowed is not None and not allowed(found.standing.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return None


def _refresh_if_due(resource: Resource, identifier: str, entry: CacheEntry, now: float) -> None:
    if now + entry.load_seconds * _LONGEST_LEAD < entry.refresh_after:
        # Too early for any chance to make it due: nearly every read ends here.
        return
    # 1 - random() is in (0, 1]: 0 has no logarithm.
    if entry.due(now, 1.0 - random.random()):
        events.emit(events.EntryDue(resource.name, identifier, entry.state, entry.loaded_at))


def _told(resource: Resource, lookup: Lookup, started: float) -> Lookup:
    if events.heard(events.EntryRead):
        events.emit(
            # By position, at every read: keywords would double the price.
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


# -- nothing usable is in the cache ------------------------------------------------------------


def _deadline(started: float) -> float:
    """Return until when a read that started then may wait for another caller's load."""
    return started + conf.seconds("READ_WAIT")


def _miss(
    resource: Resource,
    identifier: str,
    found: Known,
    allowed: Allowed | None,
    deadline: float,
) -> Lookup:
    """Load under the lease, or wait until `deadline` for the caller that holds it.

    Never loads without the lease. Raise Busy at the deadline, or the error that the load met.
    """
    pause = _FIRST_WAIT_SECONDS
    while True:
        # The revision is read before the load begins, and from the ledger: the entry will claim it.
        standing = found.standing or resource.standing(identifier)
        if standing is None:
            return Lookup(Outcome.ABSENT, f"{resource.name}.{identifier}", from_ledger=True)
        lookup = _answer(resource, identifier, _cold(found, standing), allowed)
        if lookup is not None:
            return lookup
        warmed = fill.fill(resource, {identifier: standing}, "read")[identifier]
        if warmed.outcome is not WarmOutcome.BUSY:
            return _loaded(resource, identifier, found, warmed, allowed)
        left = deadline - clock.current().monotonic()
        if left <= 0:
            raise Busy
        flight = warmed.flight
        if flight is not None:
            clock.current().wait(left, flight.landed)
            if flight.error is not None:
                # Upstream was asked a moment ago: one request more per waiting thread would be a
                # stampede.
                raise flight.error
            if flight.entry is not None and flight.entry.revision >= standing.revision:
                return _collapsed(resource, identifier, flight.entry, allowed)
        if flight is None or flight.entry is None:
            # Another process has the lease; threads that waited here for the one that found this
            # out come here too. Without a pause all of them would look again at once, repeatedly.
            clock.current().wait(min(pause, left))
            pause = min(pause * 2, _LONGEST_WAIT_SECONDS)
        found = find(resource, [identifier], tiered=False)[identifier]
        if found.entry is not None:
            return _collapsed(resource, identifier, found.entry, allowed)
        if found.state is None:
            return Lookup(Outcome.ABSENT, f"{resource.name}.{identifier}")


def _miss_many(
    resource: Resource, missed: dict[str, Known], allowed: Allowed | None, deadline: float
) -> dict[str, Lookup | CoordinatorError]:
    """Load at once all whose lease is free; then wait for the others, until `deadline`.

    Return a Lookup for each, or the error that its load met.
    """
    results: dict[str, Lookup | CoordinatorError] = {}
    unknown = [name for name, found in missed.items() if found.standing is None]
    standings = dict(resource.standings(unknown)) if unknown else {}
    for name, found in missed.items():
        if found.standing is not None:
            standings[name] = found.standing
        lookup = _answer(resource, name, _cold(found, standings.get(name)), allowed)
        if lookup is not None:
            results[name] = lookup
    wanted = {name: standings[name] for name in missed if name not in results}
    for name, warmed in fill.fill(resource, wanted, "read").items():
        try:
            if warmed.outcome is WarmOutcome.BUSY:
                results[name] = _miss(resource, name, missed[name], allowed, deadline)
            else:
                results[name] = _loaded(resource, name, missed[name], warmed, allowed)
        except CoordinatorError as error:
            results[name] = error
    return results


def _cold(found: Known, standing: Standing | None) -> Known:
    """Return what the ledger says now of a thing whose entry was not found."""
    if standing is None:
        return Known(None, from_ledger=True)
    return Known(
        standing.state,
        standing.revision,
        standing=standing,
        from_ledger=True,
        suspended=found.suspended,
    )


def _loaded(
    resource: Resource, identifier: str, found: Known, warmed: Warmed, allowed: Allowed | None
) -> Lookup:
    entry = warmed.entry
    if entry is None:
        raise warmed.error or Busy
    stored = warmed.warm and warmed.loaded is not None
    if found.suspended and stored and resource.may_seed():
        # As a worker does: a writer that crashed after its commit can't advance its pointer.
        pointer.advance(resource.name, identifier, lambda: resource.standing(identifier))
    name = resource.entry_key(identifier, entry.state).name
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return Lookup(
        Outcome.MISS,
        name,
        entry,
        stored=stored,
        collapsed=warmed.loaded is None,
        from_ledger=True,
    )


def _collapsed(
    resource: Resource, identifier: str, entry: CacheEntry, allowed: Allowed | None
) -> Lookup:
    name = resource.entry_key(identifier, entry.state).name
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, name, collapsed=True)
    return Lookup(Outcome.MISS, name, entry, collapsed=True)


# -- reads are switched to bypass the cache ----------------------------------------------------


def _past_the_cache(
    resource: Resource, identifiers: list[str], allowed: Allowed | None
) -> dict[str, Lookup | CoordinatorError]:
    """Return what ledger and upstream say of each now, without touching the cache."""
    standings = resource.standings(identifiers)
    results: dict[str, Lookup | CoordinatorError] = {}
    wanted: dict[str, Standing] = {}
    for name in identifiers:
        standing = standings.get(name)
        found = Known(None) if standing is None else Known(standing.state, standing=standing)
        lookup = _answer(resource, name, replace(found, from_ledger=True), allowed)
        if lookup is not None:
            results[name] = lookup
        elif standing is not None:
            wanted[name] = standing
    for name, fetched in load.fetch(resource, wanted, "read"):
        results[name] = _unkept(resource, name, wanted[name], fetched, allowed)
    return results


def _unkept(
    resource: Resource,
    identifier: str,
    standing: Standing,
    fetched: load.Fetched,
    allowed: Allowed | None,
) -> Lookup | CoordinatorError:
    if not isinstance(fetched.result, Loaded):
        return fetched.result
    entry = fill.build(resource, standing, fetched.result, fetched)
    name = resource.entry_key(identifier, standing.state).name
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return Lookup(Outcome.MISS, name, entry, from_ledger=True)
