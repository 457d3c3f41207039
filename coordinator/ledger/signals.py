"""What the ledger tells others, after the commit and never before.

Each signal is sent outside any transaction, and robustly: a receiver's failure is logged and never
reaches the caller that recorded the change.
"""

from dataclasses import dataclass

from django.dispatch import Signal

#: A change of anything in the ledger was committed. Sent by its model, with ``resource``,
#: ``identifier``, ``revision``, ``state`` and ``change_id``.
state_changed = Signal()

#: The changes of one transaction were committed, and some of them are to be settled. Sent once a
#: transaction, after `state_changed` was sent for each of them, with ``changes``.
changes_recorded = Signal()

#: The outcome of changes is known. Sent with ``endings``, a sequence of `ChangeEnded`.
changes_ended = Signal()

#: An event was recorded whose time is ahead of our clock, so it ordered nothing. Sent with
#: ``resource``.
time_ahead = Signal()


@dataclass(frozen=True, slots=True)
class ChangeEnded:
    """One change whose outcome is known now, `seconds` after it was recorded."""

    resource: str
    outcome: str
    reason: str
    seconds: float
