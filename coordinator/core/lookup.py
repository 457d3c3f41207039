"""The answer to a read: what it found, and how."""

import enum
from collections.abc import Callable

import msgspec

from coordinator.core.entry import CacheEntry
from coordinator.errors import CoordinatorError

#: Asked with an entry's owner; False makes the thing absent for whoever reads.
Allowed = Callable[[str], bool]


class Outcome(enum.Enum):
    """How a read ended."""

    HIT = "hit"
    MISS = "miss"
    ABSENT = "absent"
    """The ledger does not know it."""
    DENIED = "denied"
    """It belongs to somebody else; to them it does not exist."""


class Busy(CoordinatorError):
    """Somebody else is loading this, and the time to wait for them is spent."""

    retry_after_seconds = 1.0


class Lookup(msgspec.Struct, frozen=True):
    """The answer to one read. Match its outcome; it has no truth value of its own.

    `stored` says that a miss left a warm entry behind, `collapsed` that it waited for somebody
    else's load, `from_ledger` that the pointer could not answer.
    """

    outcome: Outcome
    entry_name: str
    entry: CacheEntry | None = None
    stored: bool = False
    collapsed: bool = False
    from_ledger: bool = False

    def __bool__(self) -> bool:
        raise TypeError("a Lookup is neither true nor false: match its outcome")
