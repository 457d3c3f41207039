"""Tells an operator in one sentence what is wrong with the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error, InterfaceError, InternalError, OperationalError, ProgrammingError

_NO_SUCH_TABLE = "42P01"


def sentence(error: Error) -> str | None:
    """Return what to tell of `error`; None if it says nothing of the database as a whole.

    That is a mistake of ours then, and its traceback helps to find it.
    """
    said = " ".join(str(error).split())
    if getattr(error.__cause__, "sqlstate", None) == _NO_SUCH_TABLE or "no such table" in said:
        return f"the database has not all tables: run `manage.py migrate` ({said})"
    if isinstance(error, ProgrammingError):
        return None
    # PostgreSQL's drivers count a read-only server among its internal errors.
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return f"the database at DATABASE_URL does not answer, or does not do what is asked: {said}"
    return None


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Raise CommandError in the place of an error of the database as a whole."""
    try:
        yield
    except Error as error:
        said = sentence(error)
        if said is None:
            raise
        raise CommandError(said) from error
