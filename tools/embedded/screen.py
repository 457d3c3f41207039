"""What the terminal shows while a run goes on: a live table, a line now and then, or nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from tools.embedded.interrupts import Interrupts
from tools.report import table
from tools.report.measuring import Figures

_REFRESH_SECONDS = 0.5
_LINE_EVERY_SECONDS = 5.0
# Looking reads the change log, which grows: never more than a tenth of one core.
_PAUSE_PER_LOOK = 10


class Screen(Protocol):
    """Somewhere to show figures."""

    def show(self, figures: Figures, title: str) -> None:
        """Show the figures of this moment."""

    def end(self, figures: Figures) -> None:
        """Show the last figures, to stay."""


def watch(
    look: Callable[[], Figures],
    screen: Screen,
    interrupts: Interrupts,
    seconds: float | None,
    url: str,
) -> None:
    """Show the figures again and again, until `seconds` have passed or an interrupt comes."""
    began = time.monotonic()
    while True:
        started = time.monotonic()
        screen.show(look(), _title(url, started - began, seconds))
        now = time.monotonic()
        pause = max(_REFRESH_SECONDS, (now - started) * _PAUSE_PER_LOOK)
        if seconds is not None:
            pause = min(pause, began + seconds - now)
        if pause <= 0 or interrupts.wait(pause):
            return


@contextmanager
def choose(console: Console, *, quiet: bool, warming: bool) -> Iterator[Screen]:
    """Yield what suits: nothing if `quiet`, a table on a terminal, lines elsewhere."""
    if quiet:
        yield Nothing()
    elif console.is_terminal:
        # Refreshed with the figures alone: they are what changes.
        with Live(console=console, auto_refresh=False) as live:
            yield LiveTable(live, warming=warming)
    else:
        yield Lines(console, warming=warming)


class LiveTable:
    """A table that changes in place."""

    def __init__(self, live: Live, *, warming: bool) -> None:
        self._live = live
        self._warming = warming

    def show(self, figures: Figures, title: str) -> None:
        """Draw the table."""
        self._live.update(table.live(figures, title, warming=self._warming), refresh=True)

    def end(self, figures: Figures) -> None:
        """Draw the summary in its place."""
        self._live.update(table.final(figures, warming=self._warming), refresh=True)


class Lines:
    """A line every few seconds: for a pipe or a file."""

    def __init__(self, console: Console, *, warming: bool) -> None:
        self._console = console
        self._warming = warming
        self._last = time.monotonic()

    def show(self, figures: Figures, title: str) -> None:
        """Print a line, if the last one was some time ago."""
        if time.monotonic() - self._last >= _LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            self._console.print(f"{title}: {table.line(figures)}", soft_wrap=True)

    def end(self, figures: Figures) -> None:
        """Print the summary."""
        self._console.print(table.final(figures, warming=self._warming))


class Nothing:
    """Nothing at all."""

    def show(self, figures: Figures, title: str) -> None:
        """Show nothing."""

    def end(self, figures: Figures) -> None:
        """Show nothing."""


def _title(url: str, elapsed: float, seconds: float | None) -> str:
    until = "Ctrl-C ends it" if seconds is None else f"of {seconds:.0f} s"
    return f"Coordinator at {url}: {elapsed:.0f} s, {until}"
