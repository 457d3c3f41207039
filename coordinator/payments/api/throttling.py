"""Limits how many payments one user may read a minute, on counters that all processes share.

Key pattern ``throttle.<kind>.<account>.<minute>``, timeout two minutes. A fixed window: one
increment a request, so a warm read stays quick; somebody who waits for the turn of the minute gets
up to twice the limit in a row. If the cache can't be reached nobody is refused.
"""

from typing import Final

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from coordinator.core import cache, clock
from coordinator.web.readers import Reader, reader_of

WINDOW_SECONDS: Final = 60


class ReadThrottle(BaseThrottle):
    """Counts every payment that is asked for, found or not: guessing numbers counts as well."""

    _wait_seconds: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return False once the user's minute is used up."""
        reader = reader_of(request)
        limit = limit_of(reader)
        if limit == 0:
            return True
        now = clock.current().now()
        kind = "staff" if reader.is_staff else "user"
        key = f"throttle.{kind}.{reader.account}.{int(now // WINDOW_SECONDS)}"
        price: int = getattr(view, "payments_asked_for", lambda _: 1)(request)
        used = cache.count(key, price, 2 * WINDOW_SECONDS)
        if used is None or used <= limit:
            return True
        self._wait_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
        return False

    def wait(self) -> float | None:
        """Return the seconds that are left of the minute."""
        return self._wait_seconds


def limit_of(reader: Reader) -> int:
    """Return how many payments this reader may ask for in a minute; 0 means any number."""
    limit: int = (
        settings.COORDINATOR_STAFF_READS_PER_MINUTE
        if reader.is_staff
        else settings.COORDINATOR_USER_READS_PER_MINUTE
    )
    return limit
