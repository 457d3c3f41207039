"""`manage.py coordinator_prune`: delete old settled changes from the log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.core import conf
from coordinator.ledger.retention import prune
from coordinator.operations import terminal


class Command(terminal.LedgerCommand):
    """Prunes the change log."""

    help = "Delete settled changes older than the retention time; the daily beat does the same."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--days", type=float, default=None, help="default: COORDINATOR_LOG_RETENTION_DAYS"
        )

    def handle(self, *args: Any, days: float | None, **options: Any) -> None:
        """Prune, and say how many went."""
        kept = conf.number("LOG_RETENTION_DAYS") if days is None else days
        if kept <= 0:
            raise CommandError("--days must be more than 0")
        self.stdout.write(f"{prune(kept)} settled changes older than {kept:g} days deleted.")
