"""Reconciles a resource: lists what changed upstream lately, and records what no event told.

A round takes the listing a page at a time: one query says which of its events are known already,
the others are recorded, and the watermark moves on. So a round that is ended in the middle, by its
time or by a deploy, has done what it has done, and the next one goes on from there.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.utils import timezone

from coordinator.causes import cause
from coordinator.core import clock
from coordinator.core.resource import ListedChange, Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.warmer.models import Watermark

logger = logging.getLogger(__name__)

PAGE: Final = 100
# A provider's listing can trail its own events; asking twice for the same costs one query a page.
_OVERLAP = timedelta(minutes=5)
_FIRST_LOOK_BACK = timedelta(hours=1)
# Providers keep events for about a month.
_FURTHEST_LOOK_BACK = timedelta(days=29)


@dataclass
class Reconciled:
    """Result of a round, or of a part of it.

    Events seen, untold changes recorded, and events that failed. `goes_on_from` is where the next
    part begins, None if the listing ended.
    """

    since: datetime
    seen: int = 0
    recorded: int = 0
    failed: int = 0
    goes_on_from: datetime | None = None


def watermark_name(of: Resource) -> str:
    """Return the name of the watermark: up to when every listed change of `of` was recorded."""
    return f"reconcile {of.name}"


def reconcile(
    of: Resource,
    since: datetime | None = None,
    *,
    on_behalf_of: str = "beat",
    seen: Callable[[Reconciled], None] | None = None,
) -> Reconciled:
    """Record what changed upstream since `since`, or since the watermark, to the listing's end.

    Does nothing for a resource without `list_changed`. The watermark moves as everything up to it
    was recorded, and only without `since`. Raise the provider's CoordinatorError if the listing
    itself fails; an event that fails holds back the watermark and nothing else. `on_behalf_of` is
    the cause that the budget counts it under; `seen` is called after each page with the result so
    far.
    """
    return _go_through(
        of, since or begins_at(of), since is None, on_behalf_of=on_behalf_of, seen=seen
    )


def reconcile_part(
    of: Resource, since: datetime, seconds: float, *, held_back: bool = False
) -> Reconciled:
    """Do what `reconcile` does from `since` on, for about `seconds`; say where to go on.

    `held_back` says that an earlier part of this round met an event that failed: the watermark
    stays where it is, so that the next round meets it again.
    """
    return _go_through(of, since, not held_back, seconds=seconds)


def begins_at(of: Resource) -> datetime:
    """Return from when on a new round lists: a little before the watermark."""
    mark = Watermark.objects.filter(name=watermark_name(of)).first()
    now = timezone.now()
    if mark is None or mark.reached_at is None:
        return now - _FIRST_LOOK_BACK
    return max(mark.reached_at - _OVERLAP, now - _FURTHEST_LOOK_BACK)


def _go_through(
    of: Resource,
    since: datetime,
    moves_watermark: bool,
    *,
    seconds: float | None = None,
    on_behalf_of: str = "beat",
    seen: Callable[[Reconciled], None] | None = None,
) -> Reconciled:
    began = timezone.now()
    until = None if seconds is None else clock.current().monotonic() + seconds
    done = Reconciled(since)
    if of.list_changed is None:
        return done
    with cause(on_behalf_of):
        for page in _pages(of.list_changed(since)):
            _record(page, done)
            if seen is not None:
                seen(done)
            reached = page[-1].occurred_at
            if reached is None:
                continue
            if moves_watermark and not done.failed:
                _move(of, min(reached, began))
            if until is not None and clock.current().monotonic() >= until:
                # Not where it began, or a page of one moment would be met for ever.
                done.goes_on_from = reached if reached > since else None
                if done.goes_on_from is not None:
                    return done
    if moves_watermark and not done.failed:
        _move(of, began)
    return done


def _pages(listed: Iterable[ListedChange]) -> Iterator[Sequence[ListedChange]]:
    rest = iter(listed)
    while page := list(islice(rest, PAGE)):
        yield page


def _record(page: Sequence[ListedChange], done: Reconciled) -> None:
    """Record those of a page that are not known, in their order."""
    asked = Change.objects.filter(event_id__among=[one.event_id for one in page])
    known = set(asked.values_list("event_id", flat=True))
    done.seen += len(page)
    for event in page:
        if event.event_id in known:
            continue
        try:
            untold = event.record()
        except CoordinatorError as error:
            if not error.permanent:
                done.failed += 1
            logger.warning(
                "event.unreconciled",
                extra={"event_id": event.event_id, "reason": error.reason},
            )
            continue
        if untold:
            done.recorded += 1
            logger.warning("event.untold", extra={"event_id": event.event_id})


def _move(of: Resource, reached: datetime) -> None:
    """Move the watermark on, never back: a part that comes late knows less than the others."""
    name = watermark_name(of)
    mark = Watermark.objects.filter(name=name).first()
    if mark is None or mark.reached_at is None or mark.reached_at < reached:
        Watermark.reach(name, reached_at=reached)
