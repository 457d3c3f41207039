"""Backfills everything in a process of its own, and prints the most memory that it held."""

import json
import resource as process
import sys

import django

_KILOBYTES = 1024


def main() -> None:
    """Backfill, then print the figures as JSON."""
    django.setup()
    from coordinator.core import resource
    from coordinator.warmer.backfill import Selection, backfill

    selection = Selection(resource.get("payment"))
    payments = sum(chunk.size for chunk in backfill(selection, 0, None, dry_run=False))
    most = process.getrusage(process.RUSAGE_SELF).ru_maxrss / _KILOBYTES
    json.dump({"payments": payments, "megabytes": most}, sys.stdout)


if __name__ == "__main__":
    main()
