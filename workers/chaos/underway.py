"""What the ledger says is under way at this moment."""

from datetime import timedelta

from django.utils import timezone

from coordinator.ledger.models import UNSETTLED, Change
from workers.chaos.tuning import SETTINGS

_CLAIM = timedelta(seconds=float(SETTINGS["COORDINATOR_CLAIM_SECONDS"]))
_JUST_NOW = timedelta(seconds=0.3)


def changes_are_claimed() -> bool:
    """Return True if some worker has claimed changes just now and works on them."""
    claimed_since = timezone.now() - _JUST_NOW + _CLAIM
    return Change.objects.filter(UNSETTLED, next_attempt_at__gte=claimed_since).exists()
