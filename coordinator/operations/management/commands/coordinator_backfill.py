"""`manage.py coordinator_backfill payments`: warm what existed before."""

from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from coordinator.core.resource import Resource
from coordinator.errors import CoordinatorError
from coordinator.operations import terminal
from coordinator.warmer.backfill import Selection, backfill, reached
from coordinator.warmer.reconcile import reconcile

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[rate]:.0f}/s"),
    TextColumn("{task.fields[hits]} hits"),
    TextColumn("{task.fields[loads]} loads"),
    TextColumn("{task.fields[failed]} failed"),
    TimeRemainingColumn(),
)


class Command(terminal.CacheCommand):
    """Backfills the cache, resumably, within the budget."""

    help = (
        "Warm what existed before: what is warm already is left alone, the rest is loaded within"
        " the budget's share for backfills. Ctrl-C stops it; the same command goes on from there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("resource", help="like payments")
        parser.add_argument("--state", help="only those in this state")
        parser.add_argument("--since", help="only those changed since: 30m, 12h, 7d or ISO 8601")
        parser.add_argument("--rate", type=float, help="at most so many loads a second")
        parser.add_argument("--dry-run", action="store_true", help="only count what is missing")
        parser.add_argument("--restart", action="store_true", help="begin at the beginning")
        parser.add_argument(
            "--schema",
            choices=["current", "next"],
            default="current",
            help="next: fill the keys of the schema that the resource declares as upcoming",
        )
        parser.add_argument(
            "--import",
            dest="imports",
            action="store_true",
            help="first record what the provider has and the ledger lacks (with --since)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import if asked to, then backfill with a progress bar."""
        of = _of_schema(terminal.resource_named(options["resource"]), options["schema"])
        if options["state"] is not None and options["state"] not in of.states:
            known = ", ".join(sorted(of.states))
            raise CommandError(f"{of.name} has no state {options['state']!r}; it has: {known}")
        if options["rate"] is not None and options["rate"] <= 0:
            raise CommandError("--rate must be more than 0")
        since = terminal.moment(options["since"]) if options["since"] else None
        if options["imports"]:
            self._import(of, since)
        selection = Selection(of, options["state"], since, options["since"] or "ever")
        after = 0 if options["restart"] else reached(selection)
        if after:
            self.stdout.write("Going on where the last run stopped (--restart begins anew).")
        self._run(selection, after, options["rate"], dry_run=options["dry_run"])

    def _import(self, of: Resource, since: Any) -> None:
        if since is None:
            raise CommandError("--import needs --since: how far back the provider is to look")
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        try:
            with (
                terminal.undisturbed(out),
                out.status("Asking upstream what changed ...") as status,
            ):
                done = reconcile(
                    of,
                    since,
                    on_behalf_of="backfill",
                    seen=lambda so_far: status.update(f"{so_far.seen} events seen"),
                )
        except CoordinatorError as error:
            raise CommandError(f"upstream can't list changes of {of.name}: {error}") from error
        except KeyboardInterrupt:
            raise CommandError(
                "stopped; what was recorded stays, run the same command for the rest",
                returncode=130,
            ) from None
        self.stdout.write(f"{done.seen} events seen, {done.recorded} recorded.")

    def _run(self, selection: Selection, after: int, rate: float | None, *, dry_run: bool) -> None:
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        total = selection.things().filter(pk__gt=after).count()
        sums: dict[str, Any] = {"hits": 0, "loads": 0, "failed": 0}
        moving = 0
        error = ""
        with (
            terminal.undisturbed(out),
            Progress(*_COLUMNS, console=out, disable=not out.is_terminal) as progress,
        ):
            bar = progress.add_task("Backfilling", total=total, rate=0.0, **sums)
            try:
                for chunk in backfill(selection, after, rate, dry_run=dry_run):
                    sums["hits"] += chunk.hits
                    sums["loads"] += chunk.loads
                    sums["failed"] += chunk.failed
                    moving += chunk.moving
                    error = error or chunk.first_error
                    progress.update(bar, advance=chunk.size, rate=_speed(progress, bar), **sums)
            except KeyboardInterrupt:
                raise CommandError(
                    "stopped; run the same command to go on from here", returncode=130
                ) from None
        verb = "would be loaded" if dry_run else "loaded"
        self.stdout.write(
            f"{sums['hits']} were warm, {sums['loads']} {verb}, {sums['failed']} failed."
        )
        if moving:
            self.stdout.write(f"{moving} of them are in motion: their own changes warm them.")
        if sums["failed"]:
            raise CommandError(f"some could not be warmed, first because of: {error}", returncode=1)


def _speed(progress: Progress, bar: TaskID) -> float:
    return progress.tasks[bar].speed or 0.0


def _of_schema(of: Resource, schema: str) -> Resource:
    if schema == "current":
        return of
    if of.upcoming is None:
        raise CommandError(
            f"{of.name} declares no upcoming schema: give its Resource `upcoming`, the recipe of"
            f" schema {of.schema + 1}, and run this from the release that has it"
        )
    return replace(of.upcoming, upcoming=None)
