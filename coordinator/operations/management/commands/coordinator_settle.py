"""`manage.py coordinator_settle`: settle changes by hand, without a broker or a worker."""

import math
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from coordinator.core import cache, clock
from coordinator.ledger import queue
from coordinator.operations import terminal
from coordinator.warmer.settle import settle_page

# A budget is there again within a second or two; an open circuit takes longer, and ends the run.
_LONGEST_WAIT_SECONDS = 2.0


class Command(terminal.CacheCommand):
    """Settles a page, or all that is due."""

    help = "Settle changes that are due, here and now; needs no broker and no worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--once", action="store_true", help="one page")
        how.add_argument("--until-empty", action="store_true", help="until nothing more is due")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        """Settle, and say how the changes ended."""
        out = terminal.console(self.stdout)  # type: ignore[arg-type]  # writes like a text stream
        total = queue.backlog().unsettled
        endings: Counter[str] = Counter()
        columns = (TextColumn("Settling"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with (
            terminal.undisturbed(out),
            Progress(
                *columns, console=out, transient=True, disable=not out.is_terminal
            ) as progress,
        ):
            bar = progress.add_task("settling", total=total)
            while True:
                # Between pages as between tasks: nothing of the last one is remembered.
                cache.clear_request_tier()
                page = settle_page()
                endings.update(page.endings)
                progress.advance(bar, page.claimed)
                if once:
                    break
                if not page.claimed:
                    if (page.again_in_seconds or math.inf) > _LONGEST_WAIT_SECONDS:
                        break
                    # Upstream's budget is spent for the moment: nothing was claimed for that.
                    clock.current().wait(page.again_in_seconds or 0.0)
        ended = ", ".join(f"{count} {ending}" for ending, count in endings.items())
        left = queue.backlog()
        self.stdout.write(
            f"{ended or 'Nothing was due'}."
            f" {left.unsettled} unsettled, the oldest for {terminal.ago(left.oldest_seconds)}."
        )
        if endings["abandoned"]:
            raise CommandError(
                "some were abandoned: `manage.py coordinator_abandoned` lists them", returncode=1
            )
