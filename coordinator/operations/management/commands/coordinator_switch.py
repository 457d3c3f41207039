"""`manage.py coordinator_switch`: pause warming, or let reads bypass the cache, at once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.core import switches
from coordinator.operations import terminal
from coordinator.warmer import switching


class Command(terminal.CacheCommand):
    """Throws a kill switch, or shows how they are thrown."""

    help = "Show the kill switches, or throw one: warming on|paused, reads cache|bypass."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("name", nargs="?", help=" or ".join(switches.POSITIONS))
        parser.add_argument("position", nargs="?", help="what to set it to")

    def handle(self, *args: Any, name: str | None, position: str | None, **options: Any) -> None:
        """Throw, and show."""
        if name is not None:
            self._throw(name, position)
        thrown = switching.truth() or switches.from_settings()
        for known, positions in switches.POSITIONS.items():
            self.stdout.write(f"{known}: {getattr(thrown, known)}  (of {', '.join(positions)})")

    def _throw(self, name: str, position: str | None) -> None:
        try:
            told = switching.throw(name, position or "")
        except switching.UnknownSwitch as error:
            choices = "; ".join(f"{n} {'|'.join(p)}" for n, p in switches.POSITIONS.items())
            raise CommandError(f"there is no switch {name} {position or ''}: {choices}") from error
        if not told:
            self.stderr.write(
                "The cache does not answer: recorded, and published by the next beat that can."
            )
