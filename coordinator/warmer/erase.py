"""Erases all that is kept of one owner: ledger, log and cache."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from coordinator.core import cache, clock, conf, lease, pointer, resource
from coordinator.core.lease import Flight, Lease
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, Ledgered, model_of
from coordinator.ledger.transactions import run_again

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.1


class StillLoading(CoordinatorError):
    """Another process is loading this right now, and did not finish in time: try again."""


@dataclass(frozen=True, slots=True)
class Erased:
    """One thing that is gone, and how many changes of the log went with it."""

    identifier: str
    changes: int


def owned_by(name: str, owner: str) -> list[str]:
    """Return the identifiers of the resource `name` that belong to `owner`, in order.

    The empty owner owns nothing: what has no owner is for staff alone. An empty list, too, for a
    resource that no model keeps.
    """
    try:
        model = model_of(name)
    except LookupError:
        return []
    if not owner:
        return []
    rows = model._default_manager.filter(**{model.owner_column: owner}).order_by("number")
    return list(rows.values_list("number", flat=True))


def erase(name: str, identifiers: list[str]) -> Iterator[Erased]:
    """Erase these things of the resource `name` from ledger, log and cache, one after the other.

    Each under its lease, so that no load under way puts back what was just deleted. Raise
    StillLoading if the lease can't be had in time; what was yielded before is gone for good.
    """
    of, model = resource.get(name), model_of(name)
    for identifier in identifiers:
        held = _leased(of, identifier)
        try:
            changes = _from_ledger(model, identifier)
            # The request tier too: an eager caller may have it in hand.
            cache.forget(
                *(of.entry_key(identifier, state).cache_key for state in sorted(of.states))
            )
        finally:
            held.release()
        logger.info("thing.erased", extra={"resource": name, "changes": changes})
        yield Erased(identifier, changes)


def _leased(of: Resource, identifier: str) -> Lease:
    standing = of.standing(identifier)
    revision = 0 if standing is None else standing.revision
    deadline = clock.current().monotonic() + conf.seconds("LEASE_TIMEOUT")
    while clock.current().monotonic() < deadline:
        got = lease.acquire(of.name, identifier, revision, of.schema)
        if isinstance(got, Lease):
            return got
        clock.current().wait(_PAUSE_SECONDS, got.landed if isinstance(got, Flight) else None)
    raise StillLoading(f"{of.name}.{identifier}")


@run_again
def _from_ledger(model: type[Ledgered], identifier: str) -> int:
    with transaction.atomic(durable=True):
        row = model._default_manager.select_for_update().filter(number=identifier).first()
        log = Change.objects.filter(resource=model.resource_name, identifier=identifier)
        ids = list(log.values_list("pk", flat=True))
        changes, _ = Change.objects.filter(pk__locked_among=ids).delete()
        if row is not None:
            revision = row.revision
            row.delete()
            # As before any commit: readers who find this ask the ledger, which knows nothing.
            pointer.suspend(model.resource_name, identifier, revision + 1)
    return changes
