"""Runs a transaction again that the database ended because of another transaction.

PostgreSQL ends one of several that can't all go on: with 40001 where they can't be put into an
order (only above READ COMMITTED), with 40P01 where each waits for the other's locks. Nothing of the
ended one was done, and the whole of it is to be run again (PostgreSQL, "Serialization Failure
Handling"). So what is decorated here reads all that it depends on by itself, and is bounded: after
`ATTEMPTS` the database's error reaches the caller, who treats it like any other.
"""

import functools
import logging
import random
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import DatabaseError, connection

from coordinator.core import clock

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS: Final = 10
_SERIALIZATION_FAILURE: Final = "40001"
_DEADLOCK_DETECTED: Final = "40P01"
_READ_ONLY: Final = "25006"
# Doubled each time: ten attempts wait for 1.2 s on average, and for 2.3 s at most.
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.5


def run_again(work: Callable[P, T]) -> Callable[P, T]:
    """Decorate `work`, one whole transaction, to run again when the database ended it.

    Within a transaction of the caller's it runs once: only the whole of that one can be repeated.
    """

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return work(*args, **kwargs)
            except DatabaseError as error:
                _leave_if_read_only(error)
                if not is_conflict(error) or connection.in_atomic_block:
                    raise
                logger.debug("transaction.conflicted", extra={"attempt": attempt})
            clock.current().wait(_pause_seconds(attempt))
        return work(*args, **kwargs)

    return run


def _leave_if_read_only(error: DatabaseError) -> None:
    """Close a connection to a server that takes no writes: the next one may find the primary.

    After a failover the old primary answers on, read-only, and connections are kept.
    """
    if _state_of(error) == _READ_ONLY and not connection.in_atomic_block:
        connection.close()


def is_conflict(error: DatabaseError) -> bool:
    """Return True if the database ended a transaction that may succeed when run again."""
    return _state_of(error) in {_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED}


def _state_of(error: DatabaseError) -> str | None:
    """Return the SQLSTATE of the driver's error, which Django wraps; None without one."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state


def _pause_seconds(attempt: int) -> float:
    """Return a pause with full jitter: transactions that met once should not meet again."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return random.uniform(0, longest)  # spreads load, hides nothing
