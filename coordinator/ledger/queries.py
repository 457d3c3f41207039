"""Reads of the ledger that the core and the workers share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import CharField, Q, QuerySet, TextField

from coordinator.core.resource import Standing
from coordinator.ledger.lookups import one_parameter
from coordinator.ledger.models import Ledgered
from coordinator.ledger.transactions import run_again


def standings_of(
    model: type[Ledgered],
) -> Callable[[Sequence[str]], Mapping[str, Standing]]:
    """Return the function that a Resource of `model` reads its standings with: one query."""
    owner = model._meta.get_field(model.owner_column)  # noqa: SLF001  # Django's public name
    # Text comes as it is from any driver; what else might own a thing goes the ORM's way.
    plain = isinstance(owner, CharField | TextField) and not hasattr(owner, "from_db_value")

    def standings(identifiers: Sequence[str]) -> Mapping[str, Standing]:
        one = plain and connection.vendor in _ONE_PARAMETER
        statement = _statement(model, connection.vendor) if one else None
        if statement is None:
            found = rows(model._default_manager.filter(number__among=identifiers))
            return {name: standing for _, name, standing in found}
        with connection.cursor() as cursor:
            among = one_parameter(identifiers, connection.vendor)
            cursor.execute(statement, [among])
            return {
                number: Standing(state, revision, owner, upstream_id, version, _moment(occurred_at))
                for number, state, revision, owner, upstream_id, version, occurred_at in (
                    cursor.fetchall()
                )
            }

    # Above READ COMMITTED, PostgreSQL may end a transaction that only reads as well.
    return run_again(standings)


def _moment(value: datetime | None) -> datetime | None:
    """Return a time as Django has it: past the ORM, SQLite's driver leaves out that it is UTC."""
    return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


_ONE_PARAMETER: Final = frozenset({"postgresql", "sqlite"})


# Building it took Django as long as the database took to answer it, each time that a reader finds
# no pointer and for each page that is settled.
@cache
def _statement(model: type[Ledgered], vendor: str) -> str | None:  # noqa: ARG001  # each its own
    """Return the statement that asks for standings; its one parameter is made as `among` does.

    None if the model's manager adds parameters of its own.
    """
    wanted = model._default_manager.filter(number__among=[""]).values_list(
        "number", *_standing_columns(model)
    )
    statement, params = wanted.query.sql_with_params()
    return str(statement) if len(params) == 1 else None


def _standing_columns(model: type[Ledgered]) -> tuple[str, ...]:
    """Return the columns that a standing is made of, in its own order."""
    return ("state", "revision", model.owner_column, "upstream_id", "version", "occurred_at")


class Row(NamedTuple):
    """What warming asks of a row: no more of it is read."""

    pk: int
    identifier: str
    standing: Standing


def rows(things: QuerySet[Ledgered]) -> Iterator[Row]:
    """Yield the rows of `things`, in one query."""
    found = things.values_list("pk", "number", *_standing_columns(things.model))
    for pk, number, *standing in found:
        yield Row(pk, number, Standing(*standing))


def may_seed() -> bool:
    """Return True if a row read now is what is committed now: outside any transaction.

    Inside one, the row can come from an old snapshot, or be this transaction's own and never be
    committed.
    """
    return not connection.in_atomic_block


def open_or_changed(
    model: type[Ledgered], changed_since: datetime, after: int, chunk: int
) -> Iterator[tuple[int, dict[str, Standing]]]:
    """Yield the things in an open state or changed since then, in chunks, by primary key.

    Each chunk comes with the key to go on from; no more than a chunk is held in memory.
    """
    wanted = Q(state__in=model.state_table.open_names) | Q(changed_at__gte=changed_since)
    while True:
        found = list(
            rows(model._default_manager.filter(wanted, pk__gt=after).order_by("pk")[:chunk])
        )
        if not found:
            return
        after = found[-1].pk
        yield after, {row.identifier: row.standing for row in found}


def newest_first(
    model: type[Ledgered], changed_since: datetime, before: datetime, chunk: int
) -> Iterator[tuple[datetime, dict[str, Standing]]]:
    """Yield what `open_or_changed` yields, the newest change first, in chunks.

    Each chunk comes with the time to go on before. Those that share a time with the last of a chunk
    come with it, so none is skipped.
    """
    wanted = Q(state__in=model.state_table.open_names) | Q(changed_at__gte=changed_since)
    things = model._default_manager.filter(wanted).order_by("-changed_at")
    while True:
        page = list(things.filter(changed_at__lt=before)[:chunk])
        if not page:
            return
        before = page[-1].changed_at
        whole = {row.pk: row for row in [*page, *things.filter(changed_at=before)]}.values()
        yield before, {row.number: row.standing() for row in whole}
