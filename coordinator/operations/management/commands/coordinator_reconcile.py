"""`manage.py coordinator_reconcile`: record what no webhook told."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.core import resource
from coordinator.errors import CoordinatorError
from coordinator.operations import terminal
from coordinator.warmer.reconcile import reconcile


class Command(terminal.CacheCommand):
    """Reconciles the ledger with the provider's own list of what happened."""

    help = "Ask the provider what changed lately, and record what no webhook told."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--since", help="30m, 12h, 7d or ISO 8601; default: the watermark")

    def handle(self, *args: Any, since: str | None, **options: Any) -> None:
        """Run one round."""
        for of in resource.registered():
            if of.list_changed is None:
                continue
            try:
                done = reconcile(of, terminal.moment(since) if since else None)
            except CoordinatorError as error:
                raise CommandError(f"upstream can't list changes of {of.name}: {error}") from error
            self.stdout.write(
                f"{of.name}: since {done.since:%Y-%m-%d %H:%M:%S %Z}: {done.seen} events,"
                f" {done.recorded} that no webhook had told, {done.failed} to try again."
            )
