"""Learns how much can be settled in a second, so that a worker claims no more than that at once.

One for each process. A page that takes much longer than a second keeps a fresh change waiting for
the next one, so pages shrink where upstream is slow. And a change that was claimed and then refused
by a spent budget was written to the log twice for nothing: once to claim it, once to put it back.
So pages shrink to what is let through, and what upstream refuses to all callers (no budget, circuit
open, silence asked for) closes the resource here: its changes are left unclaimed until the time
that the refusal names.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Final

from coordinator.core import clock, conf
from coordinator.errors import CoordinatorError

#: How long settling one page should take, and how long a page waits for a budget before it puts
#: back what was not let through.
PAGE_SECONDS: Final = 1.0
#: How long after a refusal upstream still counts as short: only one page after the other.
_SHORT_SECONDS: Final = 5.0
#: Never fewer, or half a page would be none.
_SMALLEST_PAGE: Final = 2


class Throttle:
    """What one process has learned. Safe to use from several threads."""

    def __init__(self) -> None:
        self._page: int | None = None
        self._closed_until: dict[str, float] = {}
        self._short_until = 0.0
        self._one_at_a_time = Lock()

    def closed(self, resources: Collection[str]) -> Mapping[str, float]:
        """Return those of `resources` that are closed, and for how many seconds more."""
        now = clock.current().monotonic()
        left = {name: self._closed_until.get(name, now) - now for name in resources}
        return {name: seconds for name, seconds in left.items() if seconds > 0}

    def is_short(self) -> bool:
        """Return True if upstream refused something a moment ago."""
        return clock.current().monotonic() < self._short_until

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Yield True if a page may be settled now: while upstream is short, one at a time.

        Several would share what one of them could have, and put the rest of their pages back.
        """
        if not self.is_short():
            yield True
        elif not self._one_at_a_time.acquire(blocking=False):
            yield False
        else:
            try:
                yield True
            finally:
                self._one_at_a_time.release()

    def refused(self, resource: str, seconds: float) -> None:
        """Close `resource` for `seconds`."""
        now = clock.current().monotonic()
        self._short_until = now + _SHORT_SECONDS
        self._closed_until[resource] = max(now + seconds, self._closed_until.get(resource, 0.0))

    def page(self, limit: int) -> int:
        """Return how many changes to claim, `limit` at most."""
        return limit if self._page is None else min(limit, self._page)

    def took(self, asked: int, claimed: int, settled: int, seconds: float, limit: int) -> None:
        """Learn from a page that upstream refused nothing of: of `claimed` so many were settled.

        A slow page shrinks the next ones to what a second is enough for, but not below what is
        loaded at one time. A quick one that was full doubles them; while a refusal is not long ago
        any that was full lets them grow by an eighth, or part of the budget would stay unused.
        """
        short = self.is_short()
        if seconds > PAGE_SECONDS and not short:
            fits = int(settled * PAGE_SECONDS / seconds)
            self._page = min(limit, asked, max(int(conf.number("LOAD_CONCURRENCY")), fits))
        elif (
            self._page is not None
            and claimed == asked == settled
            and (short or seconds < PAGE_SECONDS / 2)
        ):
            larger = self._page + (max(1, self._page // 8) if short else self._page)
            self._page = None if larger >= limit else larger

    def was_refused(self, asked: int, settled: int, seconds: float) -> None:
        """Learn from a page of which upstream let `settled` through in so many seconds.

        They include the time until it may be asked again. Where nothing was let through, others
        had used it all: half as many.
        """
        fits = int(settled * PAGE_SECONDS / max(seconds, PAGE_SECONDS)) if settled else asked // 2
        self._page = max(_SMALLEST_PAGE, min(asked, fits))


def pause_of(error: CoordinatorError | None) -> float | None:
    """Return for how many seconds upstream is not to be asked for anything, None if it may be.

    An error that says nothing of the thing itself and names a time is a refusal to all of them.
    """
    return None if error is None or error.burns_attempt else error.retry_after_seconds


_own = Throttle()


def _start_anew() -> None:
    # A forked child has none of the threads that would give the lock back.
    global _own
    _own = Throttle()


os.register_at_fork(after_in_child=_start_anew)


def current() -> Throttle:
    """Return this process's."""
    return _own
