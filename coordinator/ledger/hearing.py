"""Lets a row hear an event: keeps its subject's word, and derives the columns from all words."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from coordinator.ledger import fitting, order
from coordinator.ledger.event import Event
from coordinator.ledger.models import Ledgered
from coordinator.ledger.order import WHOLE, Ordering, Said


def hear(row: Ledgered, event: Event, moment: datetime | None) -> Ordering:
    """Give `row`, which is not saved, what `event` says, and return the event's order.

    `moment` is the time that the event tells, None if it tells none that counts. Raise
    ChangeRefused for what the row's model can't hold.
    """
    words, previous, version = order.words_in(row.words), row.state, row.version
    says = Said(event.content, event.place)
    if event.was_read:
        after = order.after_reading(words, event.subjects, moment, event.read_at)
    else:
        after = order.after_event(words, event.subject, says, moment)
    whole = event.was_read or event.subject == WHOLE
    row.state = fitting.apply(row, event.content if whole else row.combine(_contents(after)))
    row.words = {subject: word.stored for subject, word in after.items()}

    def loses() -> bool:
        if not row.state_table.wins(row.state, over=previous):
            return True
        return row.state == previous and (row.version or 0) < (version or 0)

    if event.was_read:
        # Newer than all that was told before it, if nothing came since; else upstream decides.
        return Ordering(confirm=event.expected_revision is None)
    carries = event.carried is not None
    found = order.decide(event.subject, says, moment, words, loses=loses, carries=carries)
    ahead = event.occurred_at is not None and moment is None
    return replace(found, confirm=True) if ahead else found


def tells_all(row: Ledgered, event: Event, found: Ordering) -> bool:
    """Return True if `event`, which `row` has just heard, tells everything up to its revision.

    Not if its order is yet to be confirmed, nor if another subject has ever spoken.
    """
    if found.late or found.confirm:
        return False
    return event.was_read or event.subject == WHOLE or set(row.words) <= {WHOLE, event.subject}


def _contents(words: order.Words) -> dict[str, Mapping[str, object]]:
    return {subject: word.said.content for subject, word in words.items() if subject != WHOLE}
