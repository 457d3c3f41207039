"""Records changes at a steady rate and writes down their commits: ``-m bench.nodes.writer``."""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

import django

from bench.nodes import pacing, records


def main(path: Path, names: Sequence[str], rate: float) -> None:
    """Record changes of payments chosen at random until SIGTERM comes."""
    from django.db import transaction
    from django.db.models.signals import post_save

    from bench import things
    from coordinator.ledger.models import Change
    from coordinator.ledger.recording import record_change
    from coordinator.payments.models import Payment

    with path.open("w", buffering=1) as file:
        index = 0

        def note(instance: Change, **_: object) -> None:
            revision = instance.revision
            transaction.on_commit(
                lambda: file.write(records.line(records.Commit(monotonic(), index, revision)))
            )

        # The first to hear of the commit: before the pointer advances, so nothing looks fresher
        # than it is.
        post_save.connect(note, sender=Change)
        for seconds in pacing.paces(rate):
            if pacing.told_to_end(seconds):
                return
            index = random.randrange(len(names))  # hides nothing
            # Milliseconds: two writers that overlap in a rolling restart don't repeat each other.
            event = things.event(names[index], int(monotonic() * 1e3))
            # About half of them change the state, and with it which entry is current.
            dispute = random.choice(("open", "won"))  # hides nothing
            record_change(Payment, replace(event, content={**event.content, "dispute": dispute}))


if __name__ == "__main__":
    pacing.hold_signals()
    django.setup()
    from bench import things

    main(Path(sys.argv[1]), things.numbers(int(sys.argv[2]), sys.argv[3]), float(sys.argv[4]))
