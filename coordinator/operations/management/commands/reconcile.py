"""`manage.py reconcile`: record what no webhook told."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.errors import CoordinatorError
from coordinator.operations import terminal
from coordinator.operations.reconciling import reconcile


class Command(terminal.CacheCommand):
    """Reconciles the ledger with the provider's own list of what happened."""

    help = "Ask the provider what changed lately, and record what no webhook told."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--since", help="30m, 12h, 7d or ISO 8601; default: the last complete round"
        )

    def handle(self, *args: Any, since: str | None, **options: Any) -> None:
        """Run one round."""
        try:
            done = reconcile(terminal.moment(since) if since else None)
        except CoordinatorError as error:
            raise CommandError(f"the provider can't list its events: {error}") from error
        self.stdout.write(
            f"Since {done.since:%Y-%m-%d %H:%M:%S %Z}: {done.seen} events, {done.recorded} that"
            f" nobody had told, {done.failed} to try again."
        )
