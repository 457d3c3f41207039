"""`manage.py coordinator_verify`: compare entry, ledger and upstream for a sample."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError
from rich.progress import track

from coordinator.core import conf
from coordinator.operations import terminal
from coordinator.warmer.verify import Verified, verify


class Command(terminal.CacheCommand):
    """Verifies a sample, and repairs what differs."""

    help = "Compare entry, ledger and upstream for a sample; repair and keep what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("resource", nargs="?", default="payment")
        parser.add_argument("--sample", type=int, default=50, help="how many (default 50)")
        parser.add_argument(
            "--grace",
            type=float,
            default=conf.seconds("VERIFY_GRACE"),
            help="only what has been at rest for so many seconds (default %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, last line")

    def handle(
        self, *args: Any, resource: str, sample: int, grace: float, json: bool, **options: Any
    ) -> None:
        """Verify, show what differs, and exit with 1 if anything did."""
        if sample < 1:
            raise CommandError("--sample must be at least 1")
        of = terminal.resource_named(resource)
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        results = verify(of.name, sample, grace)
        shown: list[Verified] = list(
            track(results, "Verifying", total=sample, console=out, transient=True, disable=json)
        )
        counts = Counter(one.result for one in shown)
        report = {name: counts[name] for name in ("match", "missing", "mismatch", "skipped")}
        if json:
            self.stdout.write(terminal.line_of_json(report))
        else:
            self._show(report, shown)
        if counts["mismatch"]:
            raise CommandError("entries or ledger differed from upstream", returncode=1)

    def _show(self, report: dict[str, int], shown: list[Verified]) -> None:
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        out.print("  ".join(f"{name} {count}" for name, count in report.items()))
        differing = [one for one in shown if one.result == "mismatch"]
        if differing:
            out.print(
                terminal.table(
                    "Mismatches",
                    ["identifier", "between", "fields that differ", "repaired"],
                    [
                        (one.identifier, one.between, ", ".join(one.differing), one.repaired)
                        for one in differing
                    ],
                )
            )
