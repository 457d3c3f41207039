"""``__among``: an ``__in`` that costs the same for one value as for a thousand.

``__in`` makes a parameter of every value, and takes each through Django and the driver. PostgreSQL
takes them as one array; on any other database this is ``__in``.
"""

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
        return f"{column} = ANY(%s)", [*params, self.rhs]
