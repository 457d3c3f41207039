"""Counts everything that went wrong, by kind, and keeps the last words about it.

An error is what should not have happened: a 5xx or no answer for a reader, a webhook that the
provider had to send again, a failed load, an exception in a task, a record logged as an error.
What an ordinary day brings (a late event, a declined card, a lease that is held elsewhere) is
none. Stale reads are counted by themselves, and noted here.
"""

import logging
import threading
from collections import Counter, deque

_NOTES_KEPT = 5
# These log what is counted already, by the signal and the answer that belong to it.
_COUNTED_ELSEWHERE = ("celery.app.trace", "celery.worker.request", "django.request")


class Troubles:
    """The errors of one run. Any thread may add one."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._notes: deque[str] = deque(maxlen=_NOTES_KEPT)
        self._lock = threading.Lock()

    def add(self, kind: str, text: str) -> None:
        """Count one error of this kind, and note what it was."""
        with self._lock:
            self._counts[kind] += 1
            self._notes.append(text)

    def set(self, kind: str, count: int) -> None:
        """Take over a count that is kept elsewhere and only goes up."""
        with self._lock:
            if count > self._counts[kind]:
                self._notes.append(f"{kind}: {count}")
                self._counts[kind] = count

    def note(self, text: str) -> None:
        """Note something that is counted elsewhere."""
        with self._lock:
            self._notes.append(text)

    @property
    def total(self) -> int:
        """Return how many errors there were."""
        with self._lock:
            return self._counts.total()

    def by_kind(self) -> dict[str, int]:
        """Return how many errors there were of each kind."""
        with self._lock:
            return {kind: count for kind, count in self._counts.items() if count}

    def notes(self) -> list[str]:
        """Return the last words, oldest first."""
        with self._lock:
            return list(self._notes)


class TroubleHandler(logging.Handler):
    """Counts what is logged as an error, and notes what is logged as a warning."""

    def __init__(self, troubles: Troubles) -> None:
        super().__init__(level=logging.WARNING)
        self._troubles = troubles

    def emit(self, record: logging.LogRecord) -> None:
        """Count or note one record."""
        try:
            text = self.format(record).splitlines()[0]
        except Exception:  # noqa: BLE001  # as logging itself does: a bad record stops no caller
            self.handleError(record)
            return
        if record.levelno >= logging.ERROR and record.name not in _COUNTED_ELSEWHERE:
            self._troubles.add("logged", text)
        else:
            self._troubles.note(text)
