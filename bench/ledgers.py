"""Fills and empties the ledger of a run, by the thousand."""

from collections.abc import Sequence

from django.db import connection

from bench import things
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment

_BATCH = 2_000


def fill(names: Sequence[str], prefix: str = "fast", *, log: bool = True) -> None:
    """Have these payments in the ledger; with `log`, each with its unsettled change and pointer.

    As recording leaves them, without the time that it takes.
    """
    Payment.objects.bulk_create(things.rows(names, prefix), batch_size=_BATCH)
    if log:
        Change.objects.bulk_create(things.changes(names), batch_size=_BATCH)
        things.put_pointers(names)
    with connection.cursor() as cursor:
        # As autovacuum would, a little later: without it plans are made for an empty table.
        cursor.execute("ANALYZE")


def empty() -> None:
    """Have nothing in the ledger."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_payment, ledger_change RESTART IDENTITY CASCADE")
