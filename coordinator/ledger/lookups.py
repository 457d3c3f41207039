"""``__among`` and ``__locked_among``: an ``__in`` that costs the same for one value as for many.

``__in`` makes a parameter of every value, and takes each through Django and the driver. PostgreSQL
takes them as one array, SQLite as one text of JSON; on any other database this is ``__in``.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


@Field.register_lookup
class Among(In):
    """``column = ANY(array)``, for values of the column's own type (no querysets, no None)."""

    lookup_name = "among"

    def get_prep_lookup(self) -> Any:
        """Return the values as they are: preparing each of them is what `__in` is slow at."""
        return list(self.rhs)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """Return the comparison with one array."""
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*params, one_parameter(self.rhs, connection.vendor)]

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """Return the comparison with the elements of one JSON array."""
        column, params = self.process_lhs(compiler, connection)
        among = f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608  # a column of ours
        return among, [*params, one_parameter(self.rhs, connection.vendor)]


@Field.register_lookup
class LockedAmong(Among):
    """``__among`` for rows that an UPDATE or DELETE is about to write: it locks them in order.

    PostgreSQL locks the rows of a statement in whatever order its plan finds them, so two
    statements over the same rows could each wait for the other. Each of them locks by the column's
    value first, in one order everywhere. For a column with unique values; elsewhere the database
    has one writer at a time, or this is ``__in``.
    """

    lookup_name = "locked_among"

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """Return the comparison with the rows of one array, each locked by then."""
        column, params = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        table = connection.ops.quote_name(field.model._meta.db_table)  # noqa: SLF001  # public
        name = connection.ops.quote_name(field.column)
        # An array of it all: found and locked once, before the statement looks at any row, and the
        # statement's own plan is that of `among`. As a subquery of IN it was joined with the whole
        # table where there were no statistics yet: 15 times the time.
        locked = (
            f"{column} = ANY(ARRAY(SELECT {name} FROM {table}"  # noqa: S608  # names of ours
            f" WHERE {name} = ANY(%s) ORDER BY {name} FOR UPDATE))"
        )
        return locked, [*params, one_parameter(self.rhs, connection.vendor)]


def one_parameter(values: Sequence[Any], vendor: str) -> Any:
    """Return `values` as the one parameter that this database takes them as."""
    return json.dumps(list(values)) if vendor == "sqlite" else list(values)
