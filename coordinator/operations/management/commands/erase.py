"""`manage.py erase --user 42`: erase what is kept of a retired user."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from coordinator.errors import CoordinatorError
from coordinator.operations import terminal
from coordinator.operations.erasing import erase
from coordinator.payments.models import Payment


class Command(terminal.CacheCommand):
    """Erases a user's payments from ledger, log and cache."""

    help = "Erase a retired user's payments: ledger, change log and cache. Cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--user", required=True, help="the LMS user id")
        parser.add_argument("--yes", action="store_true", help="don't ask")
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, user: str, yes: bool, dry_run: bool, **options: Any) -> None:
        """Ask, erase one after the other, and say what went."""
        if not user:
            raise CommandError("--user is empty: payments without an owner are nobody's to retire")
        numbers = list(
            Payment.objects.filter(lms_user_id=user)
            .order_by("number")
            .values_list("number", flat=True)
        )
        self.stdout.write(f"{len(numbers)} payments belong to user {user}.")
        if dry_run or not numbers:
            return
        if not yes and input("Erase them for good? Type the user id to go on: ") != user:
            raise CommandError("nothing was erased")
        changes = 0
        try:
            for count, one in enumerate(erase(Payment.resource_name, numbers), start=1):
                changes += one.changes
                self.stdout.write(f"{count}/{len(numbers)} {one.identifier}")
        except CoordinatorError as error:
            raise CommandError(f"{error}. Run the command again for the rest.") from error
        self.stdout.write(
            f"Erased {len(numbers)} payments and {changes} changes."
            " The provider keeps its own records: erase there as well."
        )
