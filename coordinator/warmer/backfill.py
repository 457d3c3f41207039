"""Backfills: warms what existed before, a chunk at a time, and remembers how far it came."""

import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from coordinator.core import cache, clock
from coordinator.core.fill import WarmOutcome
from coordinator.core.find import find_entries
from coordinator.core.resource import Resource, Standing
from coordinator.ledger.models import Ledgered, model_of
from coordinator.ledger.queries import rows
from coordinator.warmer.models import Watermark
from coordinator.warmer.pace import warm_within_budget

_CHUNK = 200
# Being loaded by another process, or ahead of what upstream shows: a change of its own warms it.
_MOVING = (WarmOutcome.BUSY, WarmOutcome.LAGGED)
# How long one may take at the pace of the budget before what is left counts as failed.
_CHUNK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk came to; `hits` were warm already, `loads` were asked of upstream.

    `moving` ones changed meanwhile, are being loaded by another process, or are ahead of what
    upstream shows: the workers warm them with their own changes, and nothing failed.
    """

    size: int
    hits: int
    loads: int
    failed: int
    moving: int = 0
    first_error: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which things of a resource to backfill.

    `since_named` is how the caller named `since` (7d): a run that goes on where an earlier one
    stopped is found by it, although the moment that it means has moved on.
    """

    resource: Resource
    state: str | None = None
    since: datetime | None = None
    since_named: str = "ever"

    @property
    def watermark(self) -> str:
        """Return the name under which its progress is kept."""
        of, since = self.resource, self.since_named
        return f"backfill {of.name} schema {of.schema} state {self.state or 'any'} since {since}"

    def things(self) -> QuerySet[Ledgered]:
        """Return them in the order in which they are backfilled."""
        things = model_of(self.resource.name)._default_manager.all()
        if self.state is not None:
            things = things.filter(state=self.state)
        if self.since is not None:
            things = things.filter(changed_at__gte=self.since)
        return things.order_by("pk")


def reached(selection: Selection) -> int:
    """Return the primary key up to which an interrupted backfill came, 0 if there is none."""
    mark = Watermark.objects.filter(name=selection.watermark).first()
    return 0 if mark is None else mark.position


def backfill(
    selection: Selection, after: int, rate: float | None, *, dry_run: bool
) -> Generator[Chunk, None, None]:
    """Warm what is selected and not warm yet, going on after the primary key `after`.

    At most `rate` upstream loads a second, if given, and always within the share of the budget that
    backfills have. No more than a chunk is in memory. A chunk is remembered as done once all of it
    was tried; what failed is loaded by its first reader, or by a later run.
    """
    of = selection.resource
    size = _CHUNK if rate is None else max(1, min(_CHUNK, int(rate)))
    while True:
        found = list(rows(selection.things().filter(pk__gt=after)[:size]))
        if not found:
            Watermark.objects.filter(name=selection.watermark).delete()
            return
        began = time.monotonic()
        after = found[-1].pk
        standings = {row.identifier: row.standing for row in found}
        # A long command has no request middleware either.
        cache.clear_request_tier()
        chunk = _look(of, standings) if dry_run else _warm(of, standings)
        if not dry_run:
            Watermark.reach(selection.watermark, position=after)
        yield chunk
        if rate is not None and not dry_run:
            clock.current().wait(max(0.0, chunk.loads / rate - (time.monotonic() - began)))


def _look(of: Resource, standings: dict[str, Standing]) -> Chunk:
    hits = len(find_entries(of, standings).entries)
    return Chunk(len(standings), hits, len(standings) - hits, 0)


def _warm(of: Resource, standings: dict[str, Standing]) -> Chunk:
    until = clock.current().monotonic() + _CHUNK_SECONDS
    warmed = warm_within_budget(of, standings, cause="backfill", until=until).warmed
    outcomes = Counter(one.outcome for one in warmed.values())
    hits = outcomes[WarmOutcome.ALREADY]
    moving = sum(outcomes[outcome] for outcome in _MOVING)
    failed = [one for one in warmed.values() if not one.warm and one.outcome not in _MOVING]
    first = failed[0] if failed else None
    reason = "" if first is None else first.error.reason if first.error else first.outcome.value
    return Chunk(
        len(standings), hits, len(standings) - hits, len(failed), moving, first_error=reason
    )
