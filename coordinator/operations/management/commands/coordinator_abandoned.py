"""`manage.py coordinator_abandoned`: list the changes that were given up, or try them again."""

from argparse import ArgumentParser
from typing import Any

from django.db.models import Q

from coordinator.celery import doorbell
from coordinator.ledger import queue
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.operations import terminal

_LISTED = 100


class Command(terminal.CacheCommand):
    """Lists abandoned changes; `--retry` puts them back into the queue."""

    help = "List the changes that were abandoned, with the reason; --retry tries them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("names", nargs="*", help="only these, like payment.EDX-1001")
        parser.add_argument("--retry", action="store_true", help="put them back into the queue")
        parser.add_argument(
            "--limit", type=int, help="the newest so many; default: list 100, retry all"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(
        self,
        *args: Any,
        names: list[str],
        retry: bool,
        limit: int | None,
        json: bool,
        **options: Any,
    ) -> None:
        """List, and retry if asked to."""
        abandoned = Change.objects.filter(outcome=ChangeOutcome.ABANDONED).order_by("-ended_at")
        if names:
            pairs = [terminal.thing_named(name) for name in names]
            named = [Q(resource=of.name, identifier=identifier) for of, identifier in pairs]
            abandoned = abandoned.filter(Q(*named, _connector=Q.OR))
        total = abandoned.count()
        changes = list(abandoned[: limit or _LISTED])
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
            self._show(changes, total)
        if retry and changes:
            ids_of_all = abandoned.values_list("pk", flat=True)
            count = queue.retry_all(list(ids_of_all[:limit]))
            doorbell.ring()
            words = f"{count} put back into the queue."
            self.stdout.write(terminal.line_of_json({"retried": count}) if json else words)

    def _show(self, changes: list[Change], total: int) -> None:
        if not changes:
            self.stdout.write("No change is abandoned.")
            return
        terminal.console(self.stdout).print(  # type: ignore[arg-type]  # writes like a text stream
            terminal.table(
                f"{len(changes)} of {total} abandoned"
                if total > len(changes)
                else f"{total} abandoned",
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
