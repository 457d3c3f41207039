"""Asks the database itself which time limits hold, since a pooler keeps ours from reaching it.

A database check: run by ``migrate``, and by ``check --database default``.
"""

from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.core import checks
from django.db import connection

_MILLISECONDS: Final = 1000
_STATEMENT: Final = "statement_timeout"
_IDLE: Final = "idle_in_transaction_session_timeout"


def check_limits(databases: Sequence[str] | None = None, **_: object) -> list[checks.CheckMessage]:
    """Return an error if a suspension may end before the database ends its transaction."""
    if "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting::bigint FROM pg_settings WHERE name = ANY(%s)",
            [[_STATEMENT, _IDLE]],
        )
        found = {name: milliseconds / _MILLISECONDS for name, milliseconds in cursor.fetchall()}
        cursor.execute("SELECT quote_ident(current_user)")
        role = cursor.fetchone()[0]
    suspension = settings.COORDINATOR_SUSPENSION_TIMEOUT_SECONDS
    # 0 is PostgreSQL's word for no limit.
    if all(found.values()) and suspension > sum(found.values()):
        return []
    limits = ", ".join(f"{name} {seconds:g} s" for name, seconds in sorted(found.items()))
    return [
        checks.Error(
            f"A pointer's suspension ends after {suspension:g} s, but the database's own limits "
            f"({limits}; 0 is none) let a transaction take longer from there to its commit.",
            hint=f"Set them for the role: ALTER ROLE {role} SET {_STATEMENT} = "
            f"'{settings.DATABASE_STATEMENT_TIMEOUT_SECONDS:g}s'; ALTER ROLE {role} SET {_IDLE} = "
            f"'{settings.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS:g}s'; then let the pooler "
            "make its connections anew.",
            id="coordinator.E003",
        )
    ]
