"""Reconciles a resource: lists what changed upstream lately, and records what no event told."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from coordinator.causes import cause
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.warmer.models import Watermark

logger = logging.getLogger(__name__)

# A provider's listing can trail its own events; asking twice for the same costs a duplicate each.
_OVERLAP = timedelta(minutes=5)
_FIRST_LOOK_BACK = timedelta(hours=1)
# Providers keep events for about a month.
_FURTHEST_LOOK_BACK = timedelta(days=29)


@dataclass
class Reconciled:
    """Result of a round: events seen, untold changes recorded, and events that failed."""

    since: datetime
    seen: int = 0
    recorded: int = 0
    failed: int = 0


def watermark_name(of: Resource) -> str:
    """Return the name of the watermark of this resource's last complete round."""
    return f"reconcile {of.name}"


def reconcile(
    of: Resource,
    since: datetime | None = None,
    *,
    on_behalf_of: str = "beat",
    seen: Callable[[Reconciled], None] | None = None,
) -> Reconciled:
    """Record what changed upstream since `since`, or since the last complete round.

    Does nothing for a resource without `list_changed`.
    The watermark moves only once everything up to it was recorded. Raise the provider's
    CoordinatorError if the listing itself fails; an event that fails holds back the watermark and
    nothing else. `on_behalf_of` is the cause that the budget counts it under; `seen` is called
    after each event with the result so far.
    """
    began = timezone.now()
    mark = Watermark.objects.filter(name=watermark_name(of)).first()
    done = Reconciled(since or _since(mark, began))
    if of.list_changed is None:
        return done
    with cause(on_behalf_of):
        for event in of.list_changed(done.since):
            done.seen += 1
            if seen is not None:
                seen(done)
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
    if not done.failed and since is None:
        Watermark.reach(watermark_name(of), reached_at=began)
    return done


def _since(mark: Watermark | None, now: datetime) -> datetime:
    if mark is None or mark.reached_at is None:
        return now - _FIRST_LOOK_BACK
    return max(mark.reached_at - _OVERLAP, now - _FURTHEST_LOOK_BACK)
