"""Turns a database address into Django's settings for it, with the limits that we rely on."""

from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_NO_ADDRESS = (
    "DATABASE_URL is no address of a database. It looks like postgres://user:password@host/name, "
    "with what is special in an address (like @ or /) percent-encoded in user and password."
)


def database(
    url: str,
    *,
    statement_timeout_seconds: float,
    lock_timeout_seconds: float,
    idle_in_transaction_timeout_seconds: float,
    connection_max_age_seconds: int = 0,
    pooled: bool = False,
) -> dict[str, Any]:
    """Return the entry of DATABASES for `url`, like ``postgres://user@host/name``.

    `pooled`: a pooler like PgBouncer hands the server's connections from one transaction to the
    next. Nothing of a session may be relied on then, and the limits have to be the role's own.
    Raise ImproperlyConfigured when `url` is not an address, without quoting it: it may hold a
    password.
    """
    try:
        parsed = dj_database_url.parse(
            url,
            conn_max_age=connection_max_age_seconds,
            # A connection that died while it was idle costs a round trip, not a failed request.
            conn_health_checks=connection_max_age_seconds > 0,
        )
    except ValueError as error:
        raise ImproperlyConfigured(_NO_ADDRESS) from error
    settings: dict[str, Any] = dict(parsed)
    if not settings.get("NAME"):
        raise ImproperlyConfigured(_NO_ADDRESS)
    options: dict[str, Any] = settings.setdefault("OPTIONS", {})
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        # BEGIN IMMEDIATE: two deferred transactions would both read the row that one of them is
        # about to change, because SQLite has no SELECT FOR UPDATE.
        options.setdefault("transaction_mode", "IMMEDIATE")
        # How long a writer waits for the one before it.
        options.setdefault("timeout", lock_timeout_seconds)
        # WAL lets readers go on during a write; with it, NORMAL loses nothing that was
        # committed when a process dies (only, perhaps, when the machine does).
        options.setdefault("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        # In-memory test databases are shared between threads only through a file.
        settings.setdefault("TEST", {})
    elif settings["ENGINE"] == "django.db.backends.postgresql":
        limits = {
            "statement_timeout": statement_timeout_seconds,
            "lock_timeout": lock_timeout_seconds,
            # A transaction that stops between two statements must end: the pointer's suspension
            # has to outlive the longest transaction that the database permits.
            "idle_in_transaction_session_timeout": idle_in_transaction_timeout_seconds,
        }
        if pooled:
            # A cursor or a prepared statement stays with the server's connection, and the next
            # transaction may get another one. The limits are refused at connecting, and a SET would
            # stay behind for another client: `coordinator.checks.limits` asks the server for them.
            settings["DISABLE_SERVER_SIDE_CURSORS"] = True
            options["prepare_threshold"] = None
        else:
            ours = " ".join(f"-c {name}={int(value * 1000)}" for name, value in limits.items())
            # Whatever the address itself asks for comes last, and so wins.
            options["options"] = f"{ours} {options.get('options', '')}".strip()
        options.setdefault("application_name", "coordinator")
        options.setdefault("connect_timeout", 5)
    return settings
