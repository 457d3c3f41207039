"""Reconciles: asks the provider what changed lately, and records what no webhook told."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from coordinator.causes import cause
from coordinator.errors import CoordinatorError
from coordinator.ledger.recording import Recorded, Recording
from coordinator.operations.models import Watermark
from coordinator.payments import providers
from coordinator.payments.receiving import receive

logger = logging.getLogger(__name__)

WATERMARK = "reconcile"
# A provider's listing can trail its own events; asking twice for the same costs a duplicate each.
_OVERLAP = timedelta(minutes=5)
_FIRST_LOOK_BACK = timedelta(hours=1)
# Providers keep events for about a month.
_FURTHEST_LOOK_BACK = timedelta(days=29)


@dataclass
class Reconciled:
    """What a round came to: events seen, changes that nobody had told, and what could not be."""

    since: datetime
    seen: int = 0
    recorded: int = 0
    failed: int = 0


def reconcile(
    since: datetime | None = None,
    *,
    on_behalf_of: str = "beat",
    seen: Callable[[Reconciled], None] | None = None,
) -> Reconciled:
    """Record what changed at the provider since `since`, or since the last complete round.

    The watermark moves only once everything up to it was recorded. Raise the provider's
    CoordinatorError if the listing itself fails; one event's trouble holds back the watermark and
    nothing else. `on_behalf_of` is the cause that the budget counts it under; `seen` is told after
    each event how far it came.
    """
    began = timezone.now()
    mark = Watermark.objects.filter(name=WATERMARK).first()
    done = Reconciled(since or _since(mark, began))
    with cause(on_behalf_of):
        for event in providers.current().list_changed(done.since):
            done.seen += 1
            if seen is not None:
                seen(done)
            try:
                outcome = receive(event)
            except CoordinatorError as error:
                if not error.permanent:
                    done.failed += 1
                logger.warning(
                    "event.unreconciled",
                    extra={"event_id": event.event_id, "reason": error.reason},
                )
                continue
            if isinstance(outcome, Recorded) and outcome.outcome is Recording.APPLIED:
                done.recorded += 1
                logger.warning("event.untold", extra={"event_id": event.event_id})
    if not done.failed and since is None:
        Watermark.objects.update_or_create(name=WATERMARK, defaults={"reached_at": began})
    return done


def _since(mark: Watermark | None, now: datetime) -> datetime:
    if mark is None or mark.reached_at is None:
        return now - _FIRST_LOOK_BACK
    return max(mark.reached_at - _OVERLAP, now - _FURTHEST_LOOK_BACK)
