"""Fills and empties the ledger of a run, by the thousand."""

from collections.abc import Sequence

from django.db import connection

from bench import things
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment

_BATCH = 2_000
PAYMENTS = Payment._meta.db_table  # noqa: SLF001  # Django's public name
CHANGES = Change._meta.db_table  # noqa: SLF001  # the same
_SETTLED = "SELECT NOT EXISTS (SELECT FROM {} WHERE outcome = '' OR confirmed_at IS NULL)"
_EMPTY = "TRUNCATE {}, {} RESTART IDENTITY CASCADE"


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


def settled() -> bool:
    """Return True if nothing is unsettled. Asked often, on the core that does the work: cheaply."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED.format(CHANGES))
        [found] = cursor.fetchone()
        return bool(found)


def empty() -> None:
    """Have nothing in the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY.format(PAYMENTS, CHANGES))
