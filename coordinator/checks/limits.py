"""Asks the database itself which time limits hold, since a pooler keeps ours from reaching it.

A database check: run by ``migrate``, and by ``check --database default``.
"""

from collections.abc import Sequence
from typing import Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connection

from coordinator.core import conf

_STATEMENT: Final = "statement_timeout"
_IDLE: Final = "idle_in_transaction_session_timeout"
#: MariaDB's names for the same; MySQL has neither.
_STATEMENT_OF_MARIADB: Final = "max_statement_time"
_IDLE_OF_MARIADB: Final = "idle_transaction_timeout"


def check_limits(databases: Sequence[str] | None = None, **_: object) -> list[checks.CheckMessage]:
    """Return what is wrong if a suspension may end before the database ends its transaction.

    An error in this service, whose settings name limits that did not arrive; a warning in a host's,
    whose database may have none.
    """
    if "default" not in (databases or ()) or not apps.is_installed("coordinator.ledger"):
        return []
    found = limits()
    suspension = conf.seconds("SUSPENSION_TIMEOUT")
    if found is None or (all(found.values()) and suspension > sum(found.values())):
        return []
    said = ", ".join(f"{name} {seconds:g} s" for name, seconds in sorted(found.items()))
    what = (
        f"A pointer's suspension ends after {suspension:g} s, but the database's own limits "
        f"({said}; 0 is none) let a transaction take longer from there to its commit."
    )
    if hasattr(settings, "COORDINATOR_PRODUCTION"):
        return [checks.Error(what, hint=_how(), id="coordinator.E003")]
    return [checks.Warning(what, hint=_how(), id="coordinator.W005")]


def limits() -> dict[str, float] | None:
    """Return the database's limits on a pause and on a statement, in seconds, 0 for none.

    The suspension is one of a transaction's last steps: what follows is at most one pause, which
    the database ends when the session idles, and one statement. None where it has other limits:
    SQLite has one writer, who holds its lock by then.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT name, setting::bigint FROM pg_settings WHERE name = ANY(%s)",
                [[_STATEMENT, _IDLE]],
            )
            return {name: milliseconds / 1000 for name, milliseconds in cursor.fetchall()}
        if connection.vendor == "mysql":
            names = (_STATEMENT_OF_MARIADB, _IDLE_OF_MARIADB)
            cursor.execute("SHOW VARIABLES WHERE Variable_name IN (%s, %s)", names)
            found = {name: float(seconds) for name, seconds in cursor.fetchall()}
            return dict.fromkeys(names, 0.0) | found
    return None


def _how() -> str:
    """Return how to set the limits that ought to hold."""
    statement = getattr(settings, "DATABASE_STATEMENT_TIMEOUT_SECONDS", 15)
    idle = getattr(settings, "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS", 15)
    if connection.vendor == "mysql":
        return (
            "On MariaDB set OPTIONS['init_command'] of the database to 'SET "
            f"{_STATEMENT_OF_MARIADB} = {statement:g}, {_IDLE_OF_MARIADB} = {idle:g}'."
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_user)")
        role = cursor.fetchone()[0]
    return (
        f"Set them for the role: ALTER ROLE {role} SET {_STATEMENT} = '{statement:g}s'; ALTER ROLE "
        f"{role} SET {_IDLE} = '{idle:g}s'; then let the pooler, if there is one, make its "
        "connections anew."
    )
