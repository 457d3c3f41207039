"""Puts another database in the place of the default one, for as long as a test takes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django
import pymysql
from django.core.management import call_command
from django.db import connection, connections


def use_pymysql() -> None:
    """Put PyMySQL in the place of mysqlclient, which needs a compiler, under a version of its."""
    pymysql.version_info = (2, 2, 8, "final", 1)
    pymysql.install_as_MySQLdb()


@contextmanager
def default_database(database: Mapping[str, Any]) -> Iterator[None]:
    """Let every thread that connects from now on use `database`, an entry of DATABASES."""
    connections["default"].close()
    before = connections.settings["default"]
    connections.settings["default"] = connections.configure_settings({"default": dict(database)})[
        "default"
    ]
    # This thread's own connection object belongs to the other database; so does its whole state.
    held = connections["default"]
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        connections["default"] = held


@contextmanager
def migrated_test_database(database: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Create and migrate a test database beside `database`, yield its settings, and drop it."""
    with default_database(database):
        # From Django 6 on nothing is serialised unless it is asked for.
        options = {} if django.VERSION >= (6, 0) else {"serialize": False}
        name = connection.creation.create_test_db(verbosity=0, autoclobber=True, **options)
    yield {**database, "NAME": name}
    with default_database({**database, "NAME": name}):
        connection.creation.destroy_test_db(str(database["NAME"]), verbosity=0)


@contextmanager
def emptied() -> Iterator[None]:
    """Empty every table of the default database at the end."""
    try:
        yield
    finally:
        call_command("flush", interactive=False, verbosity=0)
