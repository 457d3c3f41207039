"""What the commands share: tables, progress, and how errors and times are told."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.table import Table

from coordinator.core import cache, keys, resource
from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.operations.database_trouble import told_in_a_sentence

_WIDTH_OF_A_FILE = 180
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class LedgerCommand(BaseCommand):
    """A command that asks the ledger's database, and tells in a sentence if that is in trouble."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; raise CommandError in the place of the database's errors."""
        with told_in_a_sentence():
            return super().execute(*args, **options)


class CacheCommand(LedgerCommand):
    """A command that looks into the cache, or moves pointers in it: it has to be the real one."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Refuse to run on a cache that the running processes don't share."""
        if not cache.is_shared():
            raise CommandError(
                "the cache is LocMemCache, this process's own memory: the running processes would"
                " not see what this command does, and could go on with stale entries. Set"
                " MEMCACHED_SERVERS, CELERY_BROKER_URL and DATABASE_URL as they are set there;"
                " `make manage ARGS=...` takes those of `make serve`."
            )
        return super().execute(*args, **options)


def console(stream: TextIO) -> Console:
    """Return a console on `stream`: wide and without colours where that is no terminal."""
    width = None if stream.isatty() else _WIDTH_OF_A_FILE
    return Console(file=cast("TextIO", _AsItIs(stream)), highlight=False, width=width)


class _AsItIs:
    """A command's output without the newline that Django adds to each piece of text.

    With it a progress bar would not redraw in place.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write `text` and nothing more."""
        if isinstance(self._stream, OutputWrapper):
            self._stream.write(text, ending="")
        else:
            self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def undisturbed(out: Console) -> Iterator[None]:
    """Show no log line below WARNING while a progress bar is drawn on a terminal."""
    handlers = [one for one in logging.getLogger().handlers if out.is_terminal]
    levels = [one.level for one in handlers]
    try:
        for one in handlers:
            one.setLevel(max(one.level, logging.WARNING))
        yield
    finally:
        for one, level in zip(handlers, levels, strict=True):
            one.setLevel(level)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table of these rows, each cell as its text; None is shown as a dash."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column)
    for row in rows:
        made.add_row(*("-" if cell is None else str(cell) for cell in row))
    return made


def line_of_json(value: Mapping[str, object]) -> str:
    """Return `value` as one line, for programs to read."""
    return json.dumps(value, default=str)


def resource_named(name: str) -> Resource:
    """Return the resource of this name, plural or not; raise CommandError that lists what is there.

    Operators say "payments" and logs say "payment".
    """
    known = [of.name for of in resource.registered()]
    for candidate in (name, name.removesuffix("s")):
        if candidate in known:
            return resource.get(candidate)
    raise CommandError(f"no resource is called {name!r}; there is: {', '.join(known)}")


def thing_named(text: str) -> tuple[Resource, str]:
    """Return resource and identifier of a name like payment.EDX-1001, with or without a state."""
    name, dot, rest = text.partition(".")
    if not dot:
        raise CommandError(f"{text!r} names nothing; write it like payment.EDX-1001")
    of = resource_named(name)
    identifier = rest.split(".")[0]
    try:
        return of, keys.check_identifier(identifier)
    except CoordinatorError as error:
        raise CommandError(f"{identifier!r}: {error}") from error


def moment(text: str) -> datetime:
    """Return the time that `text` means: 30m, 12h, 7d ago, or ISO 8601; raise CommandError."""
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isdigit():
        return timezone.now() - timedelta(**{_UNITS[unit]: int(number)})
    try:
        parsed = parse_datetime(text) or parse_datetime(f"{text}T00:00:00")
    except ValueError:
        parsed = None
    if parsed is None:
        raise CommandError(f"{text!r} is no time; write 30m, 12h, 7d, or 2026-11-22T10:00:00Z")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def ago(seconds: float) -> str:
    """Return how long ago that is, in one unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
