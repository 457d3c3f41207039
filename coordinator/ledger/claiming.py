"""Claims a page of the log, in one statement where the database can.

The ORM needs four round trips for it (BEGIN, SELECT, UPDATE, COMMIT) and builds two queries: a
quarter of the processor time of settling. PostgreSQL, and SQLite since 3.35, answer an UPDATE with
the rows that it touched; any other database is asked in two steps.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from coordinator.ledger.models import UNSETTLED, Change
from coordinator.ledger.transactions import run_again

#: What is returned, in the model's order: what settling asks of a change. Anything else is read
#: when it is asked for.
_COLUMNS: Final = (
    *("id", "resource", "identifier", "revision", "event_type", "recorded_at", "correlation_id"),
    *("applied", "confirm", "suspended", "outcome", "reason", "confirmed_at", "attempts", "claims"),
)
_TABLE: Final = Change._meta.db_table  # noqa: SLF001  # Django's public name
# Materialized: the planner may evaluate a plain subquery, and so claim, more than once.
_ON_POSTGRESQL: Final = """
    WITH due AS MATERIALIZED (
        SELECT id FROM {table}
        WHERE (outcome = '' OR confirmed_at IS NULL) AND next_attempt_at <= %s
        ORDER BY next_attempt_at, id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE {table} AS c SET next_attempt_at = %s, claims = claims + 1
    FROM due WHERE c.id = due.id
    RETURNING c.id, resource, identifier, revision, event_type, recorded_at, correlation_id,
        applied, confirm, suspended, outcome, reason, confirmed_at, attempts, claims""".replace(
    "{table}", _TABLE
)
# One statement is one transaction, and SQLite lets one write at a time: nothing to skip.
_ON_SQLITE: Final = """
    UPDATE {table} SET next_attempt_at = %s, claims = claims + 1
    WHERE id IN (
        SELECT id FROM {table}
        WHERE (outcome = '' OR confirmed_at IS NULL) AND next_attempt_at <= %s
        ORDER BY next_attempt_at, id LIMIT %s
    )
    RETURNING id, resource, identifier, revision, event_type, recorded_at, correlation_id,
        applied, confirm, suspended, outcome, reason, confirmed_at, attempts, claims""".replace(
    "{table}", _TABLE
)


@run_again
def claim(limit: int, claim_seconds: float) -> list[Change]:
    """Return up to `limit` unsettled changes that are due, hidden from other workers meanwhile.

    Those that have been due longest, in the order in which they were recorded. `claims` counts this
    claim, and those before it whose worker died.
    """
    now = timezone.now()
    until = now + timedelta(seconds=claim_seconds)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_ON_POSTGRESQL, (now, limit, until))
            # Its values come as the model has them. A raw queryset, which would look at each
            # column first, takes half as long again as the database.
            page = [Change.from_db(connection.alias, _COLUMNS, row) for row in cursor.fetchall()]
    elif connection.vendor == "sqlite" and connection.features.can_return_columns_from_insert:
        page = list(Change.objects.raw(_ON_SQLITE, (until, now, limit)))
    else:
        page = in_two_steps(limit, now, until)
    page.sort(key=lambda change: change.pk)
    return page


def in_two_steps(limit: int, now: datetime, until: datetime) -> list[Change]:
    """Claim what is due `now` until then, on any database that Django knows."""
    with transaction.atomic():
        due = Change.objects.filter(UNSETTLED, next_attempt_at__lte=now)
        if connection.features.has_select_for_update_skip_locked:
            # Several workers each take their own page; where the database can't skip, they wait
            # for one another.
            due = due.select_for_update(skip_locked=True)
        elif connection.features.has_select_for_update:
            due = due.select_for_update()
        page = list(due.order_by("next_attempt_at", "id")[:limit])
        Change.objects.filter(pk__in=[change.pk for change in page]).update(
            next_attempt_at=until, claims=F("claims") + 1
        )
    for change in page:
        change.claims += 1
    return page
