"""Settles in tests: at once, and as if all the time that something waits for had passed."""

from datetime import timedelta

from django.utils import timezone

from coordinator.core import cache
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.warmer import settle as settling
from coordinator.warmer import throttle
from coordinator.warmer.settle import PageResult


def settle(*time_is_up: type[Exception]) -> PageResult:
    """Settle a page as a task does: with nothing remembered."""
    cache.clear_request_tier()
    page = settling.settle_page(time_is_up=time_is_up)
    cache.clear_request_tier()
    return page


def settle_again() -> PageResult:
    """Settle a page of whatever is unsettled, as if it were due."""
    due_now()
    return settle()


def due_now() -> None:
    """Let what is unsettled be due, as if the time that it waits for had passed."""
    throttle._own = throttle.Throttle()
    now = timezone.now() - timedelta(seconds=1)
    Change.objects.filter(UNSETTLED).update(next_attempt_at=now)


def recorded_long_ago() -> None:
    """Let every change have been recorded so long ago that no pointer from before can be left."""
    recorded_before(seconds=3600)


def recorded_before(seconds: float) -> None:
    """Let every change have been recorded so many seconds ago."""
    Change.objects.update(recorded_at=timezone.now() - timedelta(seconds=seconds))


def states() -> dict[str, int]:
    """Return how many changes of the log ended in each way, "" for those that have not."""
    counts: dict[str, int] = {}
    for outcome in Change.objects.values_list("outcome", flat=True):
        counts[outcome] = counts.get(outcome, 0) + 1
    return counts
