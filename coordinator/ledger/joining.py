"""Joins a transaction of the caller's: what follows a commit waits for that transaction's.

The suspension is put at once; the advance and the signals are run by Django after the outermost
commit, and never if it rolls back, or the savepoint around the change does. Then the pointers stay
suspended until their timeout, which only makes readers ask the ledger.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db import connection, transaction
from django.utils import timezone

from coordinator.core import conf, pointer
from coordinator.errors import CoordinatorError
from coordinator.ledger import after_commit
from coordinator.ledger.models import Change
from coordinator.ledger.transacting import Committed

JOIN: Final = "join"
OUTERMOST: Final = "outermost"
MODES: Final = (JOIN, OUTERMOST)

# Between machines and within memcached, whose seconds are whole.
_MARGIN_SECONDS: Final = 2.0

#: What each callback that waits for a commit is going to follow.
_waiting: "WeakKeyDictionary[Callable[..., Any], frozenset[pointer.Name]]" = WeakKeyDictionary()


class UnknownMode(CoordinatorError, ValueError):
    """`atomic` (the setting COORDINATOR_ATOMIC) is "join" or "outermost"."""

    permanent = True


def joins(atomic: str | None) -> bool:
    """Return True if a change recorded now is to be part of a transaction that is open."""
    mode = conf.text("ATOMIC") if atomic is None else atomic
    if mode not in MODES:
        raise UnknownMode(mode)
    return mode == JOIN and connection.in_atomic_block


def follow_later(committed: Committed) -> None:
    """Have what was recorded followed after the commit of the transaction that is open."""

    def follow() -> None:
        # Django's TestCase keeps the callbacks that it was told to run.
        _waiting.pop(follow, None)
        _note_if_late(committed.changes)
        after_commit.follow(committed.changes, committed.ahead, committed.carried)

    _waiting[follow] = frozenset((one.resource, one.identifier) for one in committed.changes)
    # Robust: it is committed, and a failure here may not keep another callback from running.
    transaction.on_commit(follow, robust=True)


def is_committed(resource: str, identifier: str) -> bool:
    """Return False while the open transaction has changed this thing: its row may never be.

    What is loaded for a revision that is not committed may not be stored: after a rollback another
    change takes that revision.
    """
    if not connection.in_atomic_block:
        return True
    name = (resource, identifier)
    # Django drops the callbacks of a savepoint that was rolled back, so this knows as well.
    return not any(name in _waiting.get(hook[1], ()) for hook in connection.run_on_commit)


def _note_if_late(changes: list[Change]) -> None:
    """Let the changes count as not acknowledged if their suspension had ended by the commit.

    From its end on a reader could fill the pointer with the past. From now on each such pointer
    lives for its timeout at most, and rule 5 waits for as long.
    """
    now = timezone.now()
    lasts = timedelta(seconds=conf.seconds("SUSPENSION_TIMEOUT") - _MARGIN_SECONDS)
    late = [change for change in changes if change.applied and now >= change.recorded_at + lasts]
    if late:
        ids = [change.pk for change in late]
        Change.objects.filter(pk__among=ids).update(suspended=False, recorded_at=now)
        for change in late:
            change.suspended, change.recorded_at = False, now
