"""A step: what an actor is about to do to something that others can see."""

import enum
from dataclasses import dataclass, field

NOTHING: frozenset[str] = frozenset()


class Lock(enum.Enum):
    """What a step does with the one lock of the ledger: SQLite has one writer at a time."""

    NONE = enum.auto()
    TAKE = enum.auto()
    """Begins a transaction: waits until the lock is free, and keeps it."""
    PASS = enum.auto()
    """A statement that is a transaction of its own: waits as well, and keeps nothing."""
    GIVE = enum.auto()
    """Commits or rolls back."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation, with the names of the things that it reads and writes.

    Two steps of different actors whose order can make a difference touch the same thing, and at
    least one of them writes it, or both want the lock. The reduction in `exhaustive` rests on that.
    """

    name: str
    about: str = ""
    reads: frozenset[str] = NOTHING
    writes: frozenset[str] = NOTHING
    lock: Lock = Lock.NONE
    #: It waits for somebody else; what wakes it is found by those who do.
    awaits: bool = False
    #: It has to wait while somebody else holds the lock.
    wants_lock: bool = field(init=False)
    #: Nobody else can notice when it happens.
    local: bool = field(init=False)

    def __post_init__(self) -> None:
        wants_lock = self.lock is Lock.TAKE or self.lock is Lock.PASS
        object.__setattr__(self, "wants_lock", wants_lock)
        object.__setattr__(self, "local", not (self.reads or self.writes or wants_lock))

    def touches_what(self, other: "Step") -> bool:
        """Return True if one of the two writes what the other reads or writes."""
        return not (
            self.writes.isdisjoint(other.writes)
            and self.writes.isdisjoint(other.reads)
            and self.reads.isdisjoint(other.writes)
        )

    def conflicts_with(self, other: "Step") -> bool:
        """Return True if the order of the two can make a difference."""
        return (self.wants_lock and other.wants_lock) or self.touches_what(other)

    def __str__(self) -> str:
        return f"{self.name}({self.about})" if self.about else self.name
