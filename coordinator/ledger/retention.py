"""Prunes the change log: settled changes only, once they are older than anyone asks for."""

from datetime import timedelta

from django.utils import timezone

from coordinator.ledger.models import UNSETTLED, Change, ChangeOutcome
from coordinator.ledger.transactions import run_again

_BATCH = 1_000


def prune(days: float, batch: int = _BATCH) -> int:
    """Delete settled changes recorded more than `days` ago, in batches; return how many.

    Abandoned ones stay until they have been tried again: they are the evidence. An event id that
    is forgotten with its row can't come back as news: its time is older than the payment's.
    """
    before = timezone.now() - timedelta(days=days)
    old = (
        Change.objects.filter(recorded_at__lt=before)
        .exclude(UNSETTLED)
        .exclude(outcome=ChangeOutcome.ABANDONED)
        .order_by("recorded_at")
    )
    deleted = 0
    while True:
        ids = list(old.values_list("pk", flat=True)[:batch])
        if not ids:
            return deleted
        deleted += _delete(ids)


@run_again
def _delete(changes: list[int]) -> int:
    return Change.objects.filter(pk__locked_among=changes).delete()[0]
