"""Counts a minute at a time in the shared cache, for all processes together.

Key pattern: ``status.<minute>.<field>``. Timeout: 20 minutes. A process counts on its own and adds
what it has counted a second later, from a thread of its own: no request or task waits for it, and
what is lost with a process that is killed is the last second. While the cache can't be reached,
what would have been counted is dropped.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from coordinator.core import cache, clock

MINUTE_SECONDS: Final = 60
#: How many minutes back the counters tell: a few less than they are kept.
MOST_MINUTES: Final = 15
_TIMEOUT_SECONDS: Final = 1_200
_ADD_AFTER_SECONDS: Final = 1.0


class SharedCounters:
    """What this process has counted and not added yet. Safe to use from several threads."""

    def __init__(self) -> None:
        self._pending: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._awaited = False

    def add(self, field: str, by: int = 1) -> None:
        """Count `by` more of `field` in this minute."""
        key = _key(_this_minute(), field)
        with self._lock:
            self._pending[key] += by
            awaited, self._awaited = self._awaited, True
        if not awaited:
            timer = threading.Timer(_ADD_AFTER_SECONDS, self.flush)
            timer.daemon = True
            timer.start()

    def flush(self) -> None:
        """Add to the shared counters what was counted until now."""
        with self._lock:
            counted, self._pending, self._awaited = self._pending, Counter(), False
        for key, by in counted.items():
            cache.count(key, by, _TIMEOUT_SECONDS)

    def after_fork(self) -> None:
        """Leave to the parent what it has counted, and its thread."""
        self.__init__()  # type: ignore[misc]  # a lock that another thread held stays locked


def by_minute(fields: Iterable[str], minutes: int) -> Mapping[str, list[int]]:
    """Return for each field its counts in the last `minutes`, oldest first, this one last.

    One round trip for each node; zeros where the cache does not answer.
    """
    names = list(fields)
    now = _this_minute()
    span = range(now - minutes + 1, now + 1)
    found = cache.get_shared([_key(minute, name) for name in names for minute in span]).found
    return {name: [_number(found.get(_key(minute, name))) for minute in span] for name in names}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _this_minute() -> int:
    return int(clock.current().now() // MINUTE_SECONDS)


def _key(minute: int, field: str) -> str:
    return f"status.{minute}.{field}"


#: This process's own.
COUNTERS: Final = SharedCounters()

os.register_at_fork(after_in_child=COUNTERS.after_fork)
