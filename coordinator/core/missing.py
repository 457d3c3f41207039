"""Answers reads that the cache could not: loads under the lease, or waits for whoever does."""

from coordinator.core import clock, conf, filling, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.filling import Filled, Filling
from coordinator.core.looking import Look, look
from coordinator.core.lookup import Allowed, Busy, Lookup, Outcome
from coordinator.core.resource import Resource, Standing
from coordinator.errors import CoordinatorError

_FIRST_WAIT_SECONDS = 0.005
_LONGEST_WAIT_SECONDS = 0.1


def answer(
    resource: Resource, identifier: str, found: Look, allowed: Allowed | None
) -> Lookup | None:
    """Return the answer, or None if upstream has to be asked."""
    if found.state is None:
        name = f"{resource.name}.{identifier}"
        return Lookup(Outcome.ABSENT, name, from_ledger=found.from_ledger)
    name = str(filling.key_of(resource, identifier, found.state))
    if found.entry is not None:
        if allowed is not None and not allowed(found.entry.owner):
            return Lookup(Outcome.DENIED, name, from_ledger=found.from_ledger)
        return Lookup(Outcome.HIT, name, found.entry, from_ledger=found.from_ledger)
    if found.standing is not None and allowed is not None and not allowed(found.standing.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return None


def deadline(started: float) -> float:
    """Return until when a read that started then may wait for others."""
    return started + conf.seconds("READ_WAIT")


def miss(
    resource: Resource,
    identifier: str,
    found: Look,
    allowed: Allowed | None,
    deadline: float,
) -> Lookup:
    """Load, or wait for whoever does, until the deadline: never load without the lease."""
    pause = _FIRST_WAIT_SECONDS
    while True:
        # The revision is read before the load begins, and from the ledger: the entry will claim it.
        standing = found.standing or resource.standing(identifier)
        if standing is None:
            return Lookup(Outcome.ABSENT, f"{resource.name}.{identifier}", from_ledger=True)
        lookup = answer(resource, identifier, _cold(found, standing), allowed)
        if lookup is not None:
            return lookup
        filled = filling.fill(resource, {identifier: standing}, "read")[identifier]
        if filled.ending is not Filling.BUSY:
            return _loaded(resource, identifier, found, standing, filled, allowed)
        left = deadline - clock.current().monotonic()
        if left <= 0:
            raise Busy
        flight = filled.flight
        if flight is not None:
            clock.current().wait(left, flight.landed)
            if flight.error is not None:
                # It asked upstream a moment ago: asking once more each would be a stampede.
                raise flight.error
            if flight.entry is not None and flight.entry.revision >= standing.revision:
                return _collapsed(resource, identifier, flight.entry, allowed)
        if flight is None or flight.entry is None:
            # Another process has the lease. Also for those who waited here for a thread that found
            # that out: without a pause they would all look again at once, over and over.
            clock.current().wait(min(pause, left))
            pause = min(pause * 2, _LONGEST_WAIT_SECONDS)
        found = look(resource, [identifier], tiered=False)[identifier]
        if found.entry is not None:
            return _collapsed(resource, identifier, found.entry, allowed)
        if found.state is None:
            return Lookup(Outcome.ABSENT, f"{resource.name}.{identifier}")


def miss_many(
    resource: Resource, missed: dict[str, Look], allowed: Allowed | None, deadline: float
) -> dict[str, Lookup | CoordinatorError]:
    """Load all that nobody else is loading, at once; then wait for the others, until the deadline.

    Return a Lookup for each, or the error that its load met.
    """
    results: dict[str, Lookup | CoordinatorError] = {}
    unknown = [name for name, found in missed.items() if found.standing is None]
    standings = dict(resource.standings(unknown)) if unknown else {}
    for name, found in missed.items():
        if found.standing is not None:
            standings[name] = found.standing
        lookup = answer(resource, name, _cold(found, standings.get(name)), allowed)
        if lookup is not None:
            results[name] = lookup
    wanted = {name: standings[name] for name in missed if name not in results}
    for name, filled in filling.fill(resource, wanted, "read").items():
        try:
            if filled.ending is Filling.BUSY:
                results[name] = miss(resource, name, missed[name], allowed, deadline)
            else:
                found, standing = missed[name], wanted[name]
                results[name] = _loaded(resource, name, found, standing, filled, allowed)
        except CoordinatorError as error:
            results[name] = error
    return results


def _cold(found: Look, standing: Standing | None) -> Look:
    """Return the look of a thing that has no entry, by what the ledger says of it now."""
    if standing is None:
        return Look(None, from_ledger=True)
    return Look(
        standing.state,
        standing.revision,
        standing=standing,
        from_ledger=True,
        suspended=found.suspended,
    )


def _loaded(
    resource: Resource,
    identifier: str,
    found: Look,
    standing: Standing,
    filled: Filled,
    allowed: Allowed | None,
) -> Lookup:
    if filled.entry is None:
        raise filled.error or Busy
    if found.suspended and filled.ending is Filling.STORED and resource.may_seed():
        # As a worker does: a writer that crashed after its commit can't advance its pointer.
        pointer.advance(resource.name, identifier, lambda: resource.standing(identifier))
    name = str(filling.key_of(resource, identifier, standing.state))
    if allowed is not None and not allowed(filled.entry.owner):
        return Lookup(Outcome.DENIED, name, from_ledger=True)
    return Lookup(
        Outcome.MISS,
        name,
        filled.entry,
        stored=filled.ending is Filling.STORED,
        collapsed=filled.ending is Filling.FOUND,
        from_ledger=True,
    )


def _collapsed(
    resource: Resource, identifier: str, entry: CacheEntry, allowed: Allowed | None
) -> Lookup:
    name = str(filling.key_of(resource, identifier, entry.state))
    if allowed is not None and not allowed(entry.owner):
        return Lookup(Outcome.DENIED, name, collapsed=True)
    return Lookup(Outcome.MISS, name, entry, collapsed=True)
