"""What the ledger says is under way at this moment."""

from datetime import timedelta

from django.utils import timezone

from coordinator.ledger.models import UNSETTLED, Change
from tools.chaos.tuning import SETTINGS
from tools.stack.program import Program

_CLAIM = timedelta(seconds=float(SETTINGS["COORDINATOR_CLAIM_SECONDS"]))
_JUST_NOW = timedelta(seconds=0.3)
_SETTLE = "coordinator.settle["


def is_settling(worker: Program) -> bool:
    """Return True if this worker has begun to settle a page, and changes are claimed."""
    # What it logged last of this task: that it came, or how it ended.
    last = next((line for line in reversed(worker.tail()) if _SETTLE in line), "")
    return " received" in last and _changes_are_claimed()


def _changes_are_claimed() -> bool:
    claimed_since = timezone.now() - _JUST_NOW + _CLAIM
    return Change.objects.filter(UNSETTLED, next_attempt_at__gte=claimed_since).exists()
