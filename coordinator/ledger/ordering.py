"""Decides if an event comes too late, and if upstream has to confirm its order."""

from typing import NamedTuple

from coordinator.ledger.event import Event
from coordinator.ledger.models import Ledgered


class Order(NamedTuple):
    """Whether an event came too `late`, and whether upstream must `confirm` that decision."""

    late: bool
    confirm: bool


IN_ORDER = Order(late=False, confirm=False)


def order(row: Ledgered, event: Event, previous: str, state: str) -> Order:
    """Return where `event` belongs, given the time that `row` holds.

    `previous` is the row's state before the event, `state` the one that the event would make.
    """
    if (
        event.expected_revision is not None
        or event.occurred_at is None
        or row.occurred_at is None
        or event.occurred_at > row.occurred_at
    ):
        return IN_ORDER
    if event.occurred_at < row.occurred_at:
        return Order(late=True, confirm=False)
    # Providers count in seconds: within one, the rank decides, and upstream has the last word.
    return Order(late=not row.state_table.wins(state, over=previous), confirm=True)
