"""`manage.py coordinator_erase --user 42`: erase what is kept of a retired user."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.core import resource
from coordinator.errors import CoordinatorError
from coordinator.operations import terminal
from coordinator.warmer.erase import erase, owned_by


class Command(terminal.CacheCommand):
    """Erases everything that a user owns, of every resource, from ledger, log and cache."""

    help = (
        "Erase what a retired user owns, of every registered resource: ledger, change log and"
        " cache. Cannot be undone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--user", required=True, help="the owner's id")
        parser.add_argument("--yes", action="store_true", help="don't ask")
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, user: str, yes: bool, dry_run: bool, **options: Any) -> None:
        """Ask, erase one after the other, and say what went."""
        if not user:
            raise CommandError("--user is empty: what has no owner belongs to no retired user")
        owned = {of.name: owned_by(of.name, user) for of in resource.registered()}
        for name, identifiers in owned.items():
            self.stdout.write(f"{len(identifiers)} of {name} belong to user {user}.")
        total = sum(map(len, owned.values()))
        if dry_run or not total:
            return
        if not yes and input("Erase them for good? Type the user id to go on: ") != user:
            raise CommandError("nothing was erased")
        count = changes = 0
        try:
            for name, identifiers in owned.items():
                for one in erase(name, identifiers):
                    count += 1
                    changes += one.changes
                    self.stdout.write(f"{count}/{total} {name}.{one.identifier}")
        except CoordinatorError as error:
            raise CommandError(f"{error}. Run the command again for the rest.") from error
        self.stdout.write(
            f"Erased {total} rows and {changes} changes."
            " Upstream keeps its own records: erase there as well."
        )
