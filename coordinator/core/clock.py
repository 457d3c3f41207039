"""The clock of the core: its time and its waits, replaceable in tests.

One object with three methods, so that tests and the schedule explorer can put their own in its
place; nothing else in the core calls ``time`` or sleeps.
"""

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """What the core needs to know of time."""

    def now(self) -> float:
        """Return the wall clock in seconds since the epoch: comparable between machines."""

    def monotonic(self) -> float:
        """Return seconds that never go back: for measuring how long something took."""

    def wait(self, seconds: float, until: Event | None = None) -> None:
        """Return after `seconds`, or as soon as `until` is set, letting others run meanwhile."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the wall clock."""
        return time.time()

    def monotonic(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def wait(self, seconds: float, until: Event | None = None) -> None:
        """Wait for `until` or for the time to pass."""
        if until is not None:
            until.wait(seconds)
        else:
            # Between two looks at a cache that can't call back: memcached has no notifications.
            time.sleep(seconds)


_clock: Clock = SystemClock()


def current() -> Clock:
    """Return the clock in force."""
    return _clock


def use(clock: Clock) -> Clock:
    """Put `clock` in force for this process and return the one that it replaces."""
    global _clock
    previous, _clock = _clock, clock
    return previous
