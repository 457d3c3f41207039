"""Keeps warm what no event covers: what is open or fresh, what is read, what a cache has lost."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from coordinator.core import clock, conf, resource
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import Fresh, Warmed, WarmOutcome
from coordinator.core.resource import Resource, Standing
from coordinator.core.warm import warm
from coordinator.ledger import queries
from coordinator.ledger.models import model_of
from coordinator.warmer.pace import warm_within_budget

logger = logging.getLogger(__name__)

_CHUNK = 100


@dataclass
class Round:
    """What one round of keeping warm came to; `goes_on_after` names where it stopped for time."""

    looked_at: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    goes_on_after: str = ""


def keep_open_warm(name: str, after: str, seconds: float) -> Round:
    """Warm what is open, or changed within the entry's timeout, and would expire before long.

    Found by chunks of multi-get; only what is missing or due is loaded, at the pace of the budget
    that beats have. Stops after `seconds` and says where to go on: a long list must not hold a
    worker.
    """
    of = resource.get(name)
    chunks = queries.open_or_changed(model_of(name), _fresh_since(), int(after or 0), _CHUNK)
    keyed = ((str(last), chunk) for last, chunk in chunks)
    done = _keep(of, keyed, after or "0", seconds, _outlives_the_round)
    _log("open.kept_warm", name, done)
    return done


def refill(name: str, before: str, seconds: float) -> Round:
    """Warm what is open or fresh, newest change first: for a cache that has lost what it held.

    Only what is missing is loaded, within the budget that beats have, and each by the process that
    holds its lease; nothing newer is ever overwritten. `before` continues an earlier call.
    """
    of = resource.get(name)
    start = datetime.fromisoformat(before) if before else timezone.now() + timedelta(seconds=1)
    chunks = queries.newest_first(model_of(name), _fresh_since(), start, _CHUNK)
    keyed = ((last.isoformat(), chunk) for last, chunk in chunks)
    done = _keep(of, keyed, start.isoformat(), seconds, None)
    _log("cache.refilled", name, done)
    return done


def refresh(name: str, identifier: str, loaded_at: float) -> Warmed:
    """Load one entry again that a reader found due, unless another process has by now."""

    def loaded_since(entry: CacheEntry) -> bool:
        return entry.loaded_at > loaded_at

    return warm(resource.get(name), identifier, cause="beat", fresh=loaded_since)


def _keep(
    of: Resource,
    chunks: Iterable[tuple[str, Mapping[str, Standing]]],
    start: str,
    seconds: float,
    fresh: Fresh | None,
) -> Round:
    done = Round()
    until = clock.current().monotonic() + seconds
    for last, standings in chunks:
        kept = warm_within_budget(of, standings, cause="beat", until=until, fresh=fresh)
        for one in kept.warmed.values():
            done.looked_at += 1
            done.outcomes[one.outcome.value] = done.outcomes.get(one.outcome.value, 0) + 1
        if not kept.all_tried:
            # The rest of this chunk is for another task; unless upstream let nothing through in all
            # this time, for then the next beat is soon enough.
            done.goes_on_after = start if WarmOutcome.WARMED.value in done.outcomes else ""
            break
        if clock.current().monotonic() >= until:
            done.goes_on_after = last
            break
        start = last
    return done


def _fresh_since() -> datetime:
    return timezone.now() - timedelta(seconds=conf.seconds("ENTRY_TIMEOUT"))


def _outlives_the_round(entry: CacheEntry) -> bool:
    # One round may be late by as much as it takes: two periods is what makes "before" hold.
    margin = 2 * conf.seconds("WARM_OPEN_EVERY")
    return entry.expires_at > clock.current().now() + margin


def _log(event: str, name: str, done: Round) -> None:
    logger.info(event, extra={"resource": name, "looked_at": done.looked_at, **done.outcomes})
