"""`manage.py coordinator_inspect payment.EDX-1001`: everything that is known of one payment."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from coordinator.core import clock
from coordinator.core.inspect import Inspected, inspect
from coordinator.core.resource import Standing
from coordinator.ledger.models import Change
from coordinator.operations import terminal

_CHANGES = 20


class Command(terminal.CacheCommand):
    """Shows ledger, pointer, entries, lease, changes and stored keys."""

    help = "Show everything known of one thing: ledger, pointer, entries, changes, stored keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("name", help="like payment.EDX-1001")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")

    def handle(self, *args: Any, name: str, json: bool, **options: Any) -> None:
        """Collect and show."""
        of, identifier = terminal.thing_named(name)
        standing = of.standing(identifier)
        seen = inspect(of, identifier, None if standing is None else standing.revision)
        changes = list(
            Change.objects.filter(resource=of.name, identifier=identifier).order_by("-id")[
                :_CHANGES
            ]
        )
        if standing is None and not changes and not any(one.there for one in seen.entries):
            raise CommandError(
                f"{of.name}.{identifier} is unknown: no row and no change in the ledger, no"
                " entry in the cache",
                returncode=1,
            )
        if json:
            self.stdout.write(terminal.line_of_json(_as_json(name, standing, seen, changes)))
        else:
            self._show(f"{of.name}.{identifier}", standing, seen, changes)

    def _show(
        self, name: str, standing: Standing | None, seen: Inspected, changes: list[Change]
    ) -> None:
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        ledger = "does not know it" if standing is None else _described(standing)
        cache = "" if seen.reachable else "  (the cache did not answer)"
        out.print(f"[bold]{name}[/bold]")
        out.print(f"ledger   {ledger}")
        out.print(f"pointer  {seen.pointer or 'none'}: {seen.meaning}{cache}")
        out.print(f"lease    {seen.lease or 'free'}")
        out.print(f"keys     pointer {seen.pointer_key}, lease {seen.lease_key}\n")
        now = clock.current().now()
        out.print(
            terminal.table(
                "Entries",
                ["name", "revision", "age", "expires in", "owner", "bytes", "usable", "stored key"],
                [
                    (
                        one.name,
                        one.entry.revision if one.entry else None,
                        terminal.ago(one.entry.age_seconds(now)) if one.entry else None,
                        terminal.ago(max(0.0, one.entry.expires_at - now)) if one.entry else None,
                        one.entry.owner if one.entry else None,
                        len(one.entry.payload) if one.entry else None,
                        "yes" if one.usable else f"no: {one.refused}",
                        one.cache_key,
                    )
                    for one in seen.entries
                    if one.there
                ],
            )
        )
        out.print(
            terminal.table(
                f"Changes, newest first (at most {_CHANGES})",
                ["recorded", "revision", "state", "event", "outcome", "reason", "attempts"],
                [
                    (
                        f"{change.recorded_at:%Y-%m-%d %H:%M:%S}",
                        change.revision,
                        change.state,
                        f"{change.event_type} {change.event_id}",
                        _outcome(change),
                        change.reason,
                        change.attempts,
                    )
                    for change in changes
                ],
            )
        )


def _described(standing: Standing) -> str:
    return (
        f"{standing.state}, revision {standing.revision}, owner {standing.owner or 'none'},"
        f" upstream {standing.upstream_id}"
    )


def _outcome(change: Change) -> str:
    if not change.outcome:
        wait = (change.next_attempt_at - timezone.now()).total_seconds()
        return f"unsettled, due {'now' if wait <= 0 else 'in ' + terminal.ago(wait)}"
    return change.outcome if change.settled else f"{change.outcome}, pointer unconfirmed"


def _as_json(
    name: str, standing: Standing | None, seen: Inspected, changes: list[Change]
) -> dict[str, object]:
    now = clock.current().now()
    return {
        "name": name,
        "ledger": None if standing is None else asdict(standing),
        "cache_reachable": seen.reachable,
        "pointer": None if seen.pointer is None else str(seen.pointer),
        "pointer_meaning": seen.meaning,
        "pointer_key": seen.pointer_key,
        "lease": seen.lease,
        "entries": [
            {
                "name": one.name,
                "cache_key": one.cache_key,
                "usable": one.usable,
                "refused": one.refused,
                "revision": one.entry.revision if one.entry else None,
                "age_seconds": one.entry.age_seconds(now) if one.entry else None,
            }
            for one in seen.entries
            if one.there
        ],
        "changes": [
            {
                "event_id": change.event_id,
                "revision": change.revision,
                "state": change.state,
                "outcome": change.outcome,
                "reason": change.reason,
                "settled": change.settled,
                "attempts": change.attempts,
            }
            for change in changes
        ],
    }
