"""Logs the calls that were not let out: once a period for each kind, with their count.

While the budget is spent or the circuit open, hundreds of calls a second are refused; a line for
each says no more than one for all of them. The metrics count every one.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from coordinator.upstream.process import PerProcess

logger = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 10.0


class Refusals:
    """What one process has refused. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        # By host, cause and error: when it was last logged, and how many there were since.
        self._known: dict[tuple[str, str, str], tuple[float, int]] = {}

    def note(self, host: str, cause: str, error: str) -> None:
        """Log a refusal with the number of its kind, unless one was logged in this period.

        The first is logged at once. Those that follow are told of by the first one after the
        period.
        """
        kind = (host, cause, error)
        with self._lock:
            now = self._clock()
            logged_at, count = self._known.get(kind, (float("-inf"), 0))
            count += 1
            due = now - logged_at >= PERIOD_SECONDS
            self._known[kind] = (now, 0) if due else (logged_at, count)
        if due:
            fields = {"host": host, "cause": cause, "error": error, "count": count}
            logger.warning("upstream.calls_refused", extra=fields)


_refusals = PerProcess(Refusals)


def note(host: str, cause: str, error: str) -> None:
    """Note a refusal in this process."""
    _refusals.get().note(host, cause, error)
