"""Keeps rounds of one kind from overlapping: long work that goes on from task to task.

Key pattern: ``round.<kind>`` in the shared cache, holding the round's id. Timeout:
``TIMEOUT_SECONDS``, renewed by each of its tasks, so a round whose task was lost ends with it. A
round that comes back later than that finds another one's id, and ends: at most one goes on. Where
the cache can't be reached nothing is known of others; a round goes on then, for rounds are
idempotent, and what two do at once costs only its price.
"""

import uuid
from functools import partial
from typing import Final

from coordinator.core import cache
from coordinator.errors import CacheUnreachable

#: Longer than a task of a round takes and its next one waits in the queue.
TIMEOUT_SECONDS: Final = 180.0


def begin(kind: str) -> str | None:
    """Return the id of a new round, None while another one of this kind goes on."""
    mine = uuid.uuid4().hex
    try:
        return mine if cache.add(_key(kind), mine.encode(), TIMEOUT_SECONDS) else None
    except CacheUnreachable:
        return mine


def begin_anew(kind: str) -> str:
    """Return the id of a new round; one of this kind that goes on ends at its next part."""
    mine = uuid.uuid4().hex
    # Overwrites: the newest round is the one that counts.
    cache.publish(_key(kind), mine.encode(), TIMEOUT_SECONDS)
    return mine


def goes_on(kind: str, mine: str) -> bool:
    """Return True if the round `mine` may go on; it has its whole time again then."""
    try:
        if cache.add(_key(kind), mine.encode(), TIMEOUT_SECONDS):
            return True
        there = cache.get_with_token(_key(kind))
        if there is None:
            return cache.add(_key(kind), mine.encode(), TIMEOUT_SECONDS)
        if not _is(mine, there.value):
            return False
        # Overwrites its own value by itself, for the timeout alone.
        return cache.replace(_key(kind), mine.encode(), there.token, TIMEOUT_SECONDS)
    except CacheUnreachable:
        return True


def end(kind: str, mine: str) -> None:
    """Let the next round begin."""
    try:
        cache.delete_those_of_mine({_key(kind): partial(_is, mine)})
    except CacheUnreachable:
        # It ends with its timeout.
        return


def _key(kind: str) -> str:
    return f"round.{kind}"


def _is(mine: str, value: object) -> bool:
    return value == mine.encode()
