"""Verifies: compares entry, ledger and upstream for a sample, repairs what differs, and keeps it.

A payment may be in motion while it is looked at. So only those are taken that have been at rest for
a grace delay, and one whose ledger moved meanwhile is skipped.
"""

import json
import logging
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from coordinator.core import clock, events, load, resource
from coordinator.core.entry import CacheEntry, etag_of
from coordinator.core.find import find_entries
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.core.warm import warm
from coordinator.ledger.models import Ledgered, model_of
from coordinator.ledger.recording import Observation, record_observation
from coordinator.warmer.models import Finding

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of one: match, missing, mismatch, or skipped; and what differed."""

    identifier: str
    result: str
    between: str = ""
    differing: tuple[str, ...] = ()
    repaired: bool = False


def verify(name: str, sample: int, grace_seconds: float) -> Iterator[Verified]:
    """Verify up to `sample` things of the resource `name` that rested for `grace_seconds`.

    Costs one upstream request each, asked for as a beat.
    """
    yield from _verified(resource.get(name), _sample(model_of(name), sample, grace_seconds))


def verify_one(name: str, identifier: str, grace_seconds: float) -> Verified:
    """Verify this one thing; skip it if the ledger does not know it, or it has not rested so long.

    What changed a moment ago may be ahead of what upstream shows: comparing then would take lag for
    a mismatch, and repair it by turning the ledger back.
    """
    before = timezone.now() - timedelta(seconds=grace_seconds)
    row = model_of(name)._default_manager.filter(number=identifier, changed_at__lt=before).first()
    if row is None:
        return Verified(identifier, "skipped")
    (one,) = _verified(resource.get(name), {identifier: row.standing()})
    return one


def _verified(of: Resource, standings: Mapping[str, Standing]) -> Iterator[Verified]:
    entries = find_entries(of, standings).entries
    for identifier, fetched in load.fetch(of, standings, "beat"):
        standing = standings[identifier]
        one = _compare(of, identifier, standing, entries.get(identifier), fetched)
        events.emit(events.EntryVerified(of.name, identifier, one.result))
        yield one


def _sample(model: type[Ledgered], size: int, grace_seconds: float) -> dict[str, Standing]:
    """Return a random sample of what is at rest, from random places of the primary key."""
    before = timezone.now() - timedelta(seconds=grace_seconds)
    resting = model._default_manager.filter(changed_at__lt=before)
    last = resting.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return {}
    chosen: dict[str, Standing] = {}
    for _ in range(size):
        place = random.randint(1, last)  # picks a sample, hides nothing
        row = resting.filter(pk__gte=place).order_by("pk").first()
        if row is not None:
            chosen[row.number] = row.standing()
    return chosen


def _compare(
    of: Resource,
    identifier: str,
    standing: Standing,
    entry: CacheEntry | None,
    fetched: load.Fetched,
) -> Verified:
    loaded = fetched.result
    if not isinstance(loaded, Loaded):
        return Verified(identifier, "skipped")
    if of.standing(identifier) != standing:
        # It moved while we looked: what differs now may only be its movement.
        return Verified(identifier, "skipped")
    if loaded.lags(standing):
        return _ledger_differs(of, identifier, standing, loaded, fetched.began)
    if entry is None:
        return Verified(identifier, "missing")
    if entry.payload == loaded.payload:
        return Verified(identifier, "match")
    return _entry_differs(of, identifier, standing, entry, loaded)


def _entry_differs(
    of: Resource, identifier: str, standing: Standing, entry: CacheEntry, loaded: Loaded
) -> Verified:
    since = clock.current().now()
    warmed = warm(of, identifier, cause="beat", fresh=lambda one: one.loaded_at >= since)
    differing = _differing_fields(entry.payload, loaded.payload)
    return _kept(
        of,
        identifier,
        standing,
        Verified(identifier, "mismatch", Finding.Between.ENTRY, differing, warmed.warm),
        entry_etag=entry.etag,
        upstream_etag=etag_of(loaded.payload),
        entry_age_seconds=entry.age_seconds(since),
    )


def _ledger_differs(
    of: Resource, identifier: str, standing: Standing, loaded: Loaded, began: float
) -> Verified:
    repaired = False
    if isinstance(loaded.observation, Observation):
        recorded = record_observation(
            model_of(of.name),
            identifier,
            standing.revision,
            loaded.observation,
            datetime.fromtimestamp(began, UTC),
        )
        repaired = recorded.revision > standing.revision
    differing = tuple(
        field
        for field in ("state", "owner", "version")
        if getattr(standing, field) != getattr(loaded, field)
    )
    return _kept(
        of,
        identifier,
        standing,
        Verified(identifier, "mismatch", Finding.Between.LEDGER, differing, repaired),
        upstream_etag=etag_of(loaded.payload),
    )


def _kept(
    of: Resource, identifier: str, standing: Standing, one: Verified, **evidence: object
) -> Verified:
    Finding.objects.create(
        resource=of.name,
        identifier=identifier,
        revision=standing.revision,
        between=one.between,
        differing=", ".join(one.differing)[:500],
        repaired=one.repaired,
        **evidence,
    )
    logger.error(
        "entry.mismatched",
        extra={
            "entry": f"{of.name}.{identifier}.{standing.state}",
            "between": str(one.between),
            "differing": ",".join(one.differing),
            "repaired": one.repaired,
        },
    )
    return one


def _differing_fields(ours: bytes, theirs: bytes) -> tuple[str, ...]:
    """Return the names of the top-level fields that differ; never their values."""
    try:
        left, right = json.loads(ours), json.loads(theirs)
    except ValueError:
        return ("payload",)
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return ("payload",)
    names = sorted(set(left) | set(right))
    return tuple(name for name in names if left.get(name) != right.get(name)) or ("formatting",)
