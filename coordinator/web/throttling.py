"""Limits how many things one user may read a minute, on counters that all processes share.

Key pattern ``throttle.<kind>.<account>.<minute>``, timeout two minutes. A fixed window: a user who
waits for the turn of the minute gets up to twice the limit in a row.

A process counts on its own and adds what it has counted to the shared counter when that reaches a
hundredth of the limit, or is a second old: so a warm read needs no round trip for it. The price: in
one minute a user may read up to a hundredth of the limit more for each process. No user is refused
while the cache can't be reached.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Final

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from coordinator.core import cache, clock
from coordinator.web.readers import Reader, reader_of

WINDOW_SECONDS: Final = 60
_SHARE: Final = 100
_LATEST_SECONDS: Final = 1.0
# A process that meets more accounts than this in a minute forgets what it has not added yet.
_MOST_WINDOWS: Final = 10_000


@dataclass(slots=True)
class _Window:
    """What one reader has used of one minute, as far as this process knows."""

    key: str
    shared: int
    pending: int
    added_at: float

    @property
    def used(self) -> int:
        return self.shared + self.pending


_windows: dict[tuple[bool, int], _Window] = {}
_lock = Lock()


def admit(reader: Reader, price: int = 1) -> float | None:
    """Count `price` reads; return None if they are admitted, else the seconds left of the minute.

    What does not exist counts as well, so that guessing numbers does.
    """
    limit = limit_of(reader)
    if limit == 0:
        return None
    now = clock.current().now()
    key = f"throttle.{'staff' if reader.is_staff else 'user'}.{reader.account}"
    key = f"{key}.{int(now // WINDOW_SECONDS)}"
    with _lock:
        window = _window(reader, key)
        window.pending += price
        due = window.pending * _SHARE >= limit or now - window.added_at >= _LATEST_SECONDS
        adding, window.pending = (window.pending, 0) if due else (0, window.pending)
    if due:
        _add(window, adding, now)
    return None if window.used <= limit else WINDOW_SECONDS - now % WINDOW_SECONDS


def _window(reader: Reader, key: str) -> _Window:
    who = (reader.is_staff, reader.account)
    window = _windows.get(who)
    if window is None or window.key != key:
        if len(_windows) >= _MOST_WINDOWS:
            _windows.clear()
        # Never added: the first read of a minute asks what other processes have counted.
        window = _windows[who] = _Window(key, 0, 0, 0.0)
    return window


def _add(window: _Window, price: int, now: float) -> None:
    window.added_at = now
    used = cache.count(window.key, price, 2 * WINDOW_SECONDS)
    if used is not None:
        window.shared = max(window.shared, used)


def forget() -> None:
    """Forget what this process has counted: for tests, whose cache is another one each time."""
    with _lock:
        _windows.clear()


class ReadThrottle(BaseThrottle):
    """Admits a request as `admit` says; a view says its price with ``things_asked_for``."""

    _wait_seconds: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return False once the user's minute is used up."""
        price: int = getattr(view, "things_asked_for", lambda _: 1)(request)
        self._wait_seconds = admit(reader_of(request), price)
        return self._wait_seconds is None

    def wait(self) -> float | None:
        """Return the seconds that are left of the minute."""
        return self._wait_seconds


def limit_of(reader: Reader) -> int:
    """Return how many things this reader may ask for in a minute; 0 means any number."""
    limit: int = (
        settings.COORDINATOR_STAFF_READS_PER_MINUTE
        if reader.is_staff
        else settings.COORDINATOR_USER_READS_PER_MINUTE
    )
    return limit
