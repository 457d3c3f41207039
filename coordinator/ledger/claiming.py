"""Claims a page of the log, in one statement where the database can.

Half of a page are the newest changes, half those that have been due longest: in a backlog of any
size, a thing that changed just now is warm as soon as the next page is settled, because what
changed just now is what is read now; and the backlog still shrinks from its other end.

The ORM needs four round trips for it (BEGIN, SELECT, UPDATE, COMMIT) and builds two queries: a
quarter of the processor time of settling. PostgreSQL, and SQLite since 3.35, answer an UPDATE with
the rows that it touched; any other database is asked in several steps.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from coordinator.ledger.lookups import one_parameter
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.ledger.transactions import run_again

#: The newest changes are looked for among so many of the newest unsettled ones. Most of those may
#: be claimed or postponed, in an outage all of a backlog: a page must not scan it.
NEWEST_LOOKED_AT: Final = 1_000

#: What is returned, in the model's order: what settling asks of a change. Anything else is read
#: when it is asked for.
_COLUMNS: Final = (
    *("id", "resource", "identifier", "revision", "event_type", "recorded_at", "correlation_id"),
    *("applied", "confirm", "suspended", "outcome", "reason", "confirmed_at", "attempts", "claims"),
)
_UNSETTLED: Final = "(outcome = '' OR confirmed_at IS NULL)"
# Materialized: the planner may evaluate a plain subquery, and so claim, more than once. The last
# LIMIT leaves nothing out: it tells the planner how few there are, where it would take a tenth of
# the backlog and read the whole table to find them.
_ON_POSTGRESQL: Final = """
    WITH newest AS MATERIALIZED (
        SELECT id FROM {table}
        WHERE {unsettled} AND next_attempt_at <= %(now)s {apart} AND id >= COALESCE((
            SELECT id FROM {table} WHERE {unsettled}
            ORDER BY id DESC OFFSET {looked_at} LIMIT 1
        ), 0)
        ORDER BY id DESC LIMIT %(newest)s FOR UPDATE SKIP LOCKED
    ), longest AS MATERIALIZED (
        SELECT id FROM {table}
        WHERE {unsettled} AND next_attempt_at <= %(now)s {apart}
            AND id NOT IN (SELECT id FROM newest)
        ORDER BY next_attempt_at, id LIMIT %(limit)s - (SELECT count(*) FROM newest)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE {table} AS c SET next_attempt_at = %(until)s, claims = claims + 1
    FROM (SELECT id FROM newest UNION ALL SELECT id FROM longest LIMIT %(limit)s) AS due
    WHERE c.id = due.id
    RETURNING c.{columns}"""
# One statement is one transaction, and SQLite lets one write at a time: nothing to skip. Its
# planner would look for the newest by primary key, past everything that is settled.
_ON_SQLITE: Final = """
    WITH newest AS MATERIALIZED (
        SELECT id FROM {table} INDEXED BY ledger_newest
        WHERE {unsettled} AND next_attempt_at <= %(now)s {apart} AND id >= COALESCE((
            SELECT id FROM {table} INDEXED BY ledger_newest WHERE {unsettled}
            ORDER BY id DESC LIMIT 1 OFFSET {looked_at}
        ), 0)
        ORDER BY id DESC LIMIT %(newest)s
    ), longest AS MATERIALIZED (
        SELECT id FROM {table} INDEXED BY ledger_unsettled
        WHERE {unsettled} AND next_attempt_at <= %(now)s {apart}
            AND id NOT IN (SELECT id FROM newest)
        ORDER BY next_attempt_at, id LIMIT %(limit)s - (SELECT count(*) FROM newest)
    )
    UPDATE {table} SET next_attempt_at = %(until)s, claims = claims + 1
    WHERE id IN (SELECT id FROM newest UNION ALL SELECT id FROM longest)
    RETURNING {columns}"""
_APART_FROM: Final = {
    "postgresql": "AND resource <> ALL(%(apart)s)",
    "sqlite": "AND resource NOT IN (SELECT value FROM json_each(%(apart)s))",
}


@run_again
def claim(limit: int, claim_seconds: float, *, apart_from: Collection[str] = ()) -> list[Change]:
    """Return up to `limit` unsettled changes that are due, hidden from other workers meanwhile.

    Half of them the newest, half those that have been due longest, in the order in which they were
    recorded; none of the resources `apart_from`. `claims` counts this claim, and those before it
    whose worker died.
    """
    now = timezone.now()
    until = now + timedelta(seconds=claim_seconds)
    vendor = connection.vendor
    if vendor == "postgresql" or (
        vendor == "sqlite" and connection.features.can_return_columns_from_insert
    ):
        params = {
            "now": now,
            "until": until,
            "limit": limit,
            "newest": _newest_of(limit),
            "apart": one_parameter(sorted(apart_from), vendor),
        }
        statement = _statement(vendor, apart=bool(apart_from))
        if vendor == "sqlite":
            page = list(Change.objects.raw(statement, params))
        else:
            with connection.cursor() as cursor:
                cursor.execute(statement, params)
                # Its values come as the model has them. A raw queryset, which would look at each
                # column first, takes half as long again as the database.
                page = [Change.from_db(connection.alias, _COLUMNS, row) for row in cursor]
    else:
        page = in_steps(limit, now, until, apart_from)
    page.sort(key=lambda change: change.pk)
    return page


@cache
def _statement(vendor: str, *, apart: bool) -> str:
    template = _ON_POSTGRESQL if vendor == "postgresql" else _ON_SQLITE
    table = Change._meta.db_table  # noqa: SLF001  # Django's public name
    return template.format(
        table=table,
        unsettled=_UNSETTLED,
        apart=_APART_FROM[vendor] if apart else "",
        looked_at=NEWEST_LOOKED_AT - 1,
        columns=", ".join(_COLUMNS),
    )


def _newest_of(limit: int) -> int:
    """Return how many of a page are the newest: half, and none of a page of one."""
    return limit // 2


def in_steps(
    limit: int, now: datetime, until: datetime, apart_from: Collection[str] = ()
) -> list[Change]:
    """Claim what is due `now` until then, on any database that Django knows."""
    with transaction.atomic():
        due = Change.objects.filter(UNSETTLED, next_attempt_at__lte=now)
        if apart_from:
            due = due.exclude(resource__in=apart_from)
        if connection.features.has_select_for_update_skip_locked:
            # Several workers each take their own page; where the database can't skip, they wait
            # for one another.
            due = due.select_for_update(skip_locked=True)
        elif connection.features.has_select_for_update:
            due = due.select_for_update()
        page = list(_among_the_newest(due).order_by("-id")[: _newest_of(limit)])
        rest = due.exclude(pk__in=[change.pk for change in page])
        page += rest.order_by("next_attempt_at", "id")[: limit - len(page)]
        Change.objects.filter(pk__in=[change.pk for change in page]).update(
            next_attempt_at=until, claims=F("claims") + 1
        )
    for change in page:
        change.claims += 1
    return page


def _among_the_newest(due: "QuerySet[Change]") -> "QuerySet[Change]":
    """Return those of `due` that are among the newest unsettled ones."""
    newest = Change.objects.filter(UNSETTLED).order_by("-id").values_list("id", flat=True)
    for oldest in newest[NEWEST_LOOKED_AT - 1 : NEWEST_LOOKED_AT]:
        return due.filter(pk__gte=oldest)
    return due
