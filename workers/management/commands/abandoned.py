"""`manage.py abandoned`: list the changes that were given up, or try them again."""

from argparse import ArgumentParser
from typing import Any

from coordinator.ledger import queue
from coordinator.ledger.models import Change, Outcome
from coordinator.operations import terminal
from workers import doorbell


class Command(terminal.CacheCommand):
    """Lists abandoned changes; `--retry` puts them back into the queue."""

    help = "List the changes that were abandoned, with the reason; --retry tries them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("names", nargs="*", help="only these, like payment.EDX-1001")
        parser.add_argument("--retry", action="store_true", help="put them back into the queue")
        parser.add_argument("--limit", type=int, default=100, help="how many (default 100)")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(
        self, *args: Any, names: list[str], retry: bool, limit: int, json: bool, **options: Any
    ) -> None:
        """List, and retry if asked to."""
        abandoned = Change.objects.filter(outcome=Outcome.ABANDONED).order_by("-ended_at")
        if names:
            pairs = [terminal.thing_named(name) for name in names]
            ids = [identifier for _, identifier in pairs]
            abandoned = abandoned.filter(
                resource__in={of.name for of, _ in pairs}, identifier__in=ids
            )
        changes = list(abandoned[:limit])
        for change in changes if json else ():
            self.stdout.write(
                terminal.line_of_json(
                    {
                        "entry": f"{change.resource}.{change.identifier}.{change.state}",
                        "revision": change.revision,
                        "event_id": change.event_id,
                        "reason": change.reason,
                        "attempts": change.attempts,
                        "ended_at": change.ended_at,
                    }
                )
            )
        if not json:
            self._show(changes)
        if retry and changes:
            count = queue.retry([change.pk for change in changes])
            doorbell.ring()
            self.stdout.write(f"{count} put back into the queue.")

    def _show(self, changes: list[Change]) -> None:
        if not changes:
            self.stdout.write("No change is abandoned.")
            return
        terminal.console(self.stdout).print(  # type: ignore[arg-type]  # writes like a text stream
            terminal.table(
                f"{len(changes)} abandoned",
                ["given up", "name", "revision", "event", "reason", "attempts"],
                [
                    (
                        f"{change.ended_at:%Y-%m-%d %H:%M:%S}",
                        f"{change.resource}.{change.identifier}.{change.state}",
                        change.revision,
                        f"{change.event_type} {change.event_id}",
                        change.reason,
                        change.attempts,
                    )
                    for change in changes
                ],
            )
        )
