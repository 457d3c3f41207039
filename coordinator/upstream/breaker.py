"""Leaves upstream alone for a while after it failed several times in a row.

Closed: calls go out. After COORDINATOR_BREAKER_FAILURES failures without a success between them
(timeouts, broken connections, 5xx) it opens: calls fail at once, and no thread waits for a timeout.
After COORDINATOR_BREAKER_RESET_SECONDS it is half-open: one call, the probe, goes out, the others
still fail; the probe's success closes the breaker, its failure opens it again. An upstream that
refuses a request (4xx) or asks for less (429) is alive.

The breaker is told results rather than given the calls, because calls run side by side, and what a
call has found out (nothing, if the budget had no room for it) is known only to the call.

Per process, not on Redis: there each call would cost round trips, and a breaker that Redis calls
open stays open when upstream is well and one machine's network is not. Not sharing costs each
process the failures to find out for itself, and a probe per reset time.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import lru_cache
from threading import Lock

from coordinator.upstream import conf, events
from coordinator.upstream.errors import UpstreamCircuitOpen
from coordinator.upstream.process import PerProcess

logger = logging.getLogger(__name__)

# While another call probes upstream, come back soon: its result is near.
_PROBE_RETRY_SECONDS = 1.0


class BreakerState(StrEnum):
    """What the breaker does with calls; the words are those of logs and metrics."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Result:
    """What a call found out about upstream; nothing unless told."""

    def __init__(self) -> None:
        self.failure: bool | None = None

    def answered(self) -> None:
        """Note that upstream lives."""
        self.failure = False

    def failed(self) -> None:
        """Note that upstream did not do its work."""
        self.failure = True


class Breaker:
    """The breaker for one upstream in one process. Safe to use from several threads."""

    def __init__(
        self,
        upstream: str,
        settings: conf.BreakerSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._state = BreakerState.CLOSED
        self._failures_in_a_row = 0
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """Return what it does with calls now."""
        return self._state

    @contextmanager
    def watching(self) -> Iterator[Result]:
        """Let a call out and learn from its result; raise UpstreamCircuitOpen if it may not go.

        A block that tells no result (there was no room in the budget, say) changes nothing.
        """
        probe = self._admit()
        result = Result()
        try:
            yield result
        finally:
            self._learn(result, probe=probe)

    def _admit(self) -> bool:
        """Return True for the probe, False for any other call that may go out."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return False
            left = self._opened_at + self._settings.reset_seconds - self._clock()
            if self._state is BreakerState.OPEN and left > 0:
                raise UpstreamCircuitOpen(retry_after_seconds=left)
            if self._probing:
                raise UpstreamCircuitOpen(retry_after_seconds=_PROBE_RETRY_SECONDS)
            self._probing = True
            self._become(BreakerState.HALF_OPEN)
            return True

    def _learn(self, result: Result, *, probe: bool) -> None:
        with self._lock:
            if probe:
                self._probing = False
            elif self._state is not BreakerState.CLOSED:
                # It left before the breaker opened: only the probe's result counts for closing.
                return
            if result.failure is None:
                return
            if not result.failure:
                self._failures_in_a_row = 0
                self._become(BreakerState.CLOSED)
                return
            self._failures_in_a_row += 1
            if probe or self._failures_in_a_row >= self._settings.failures:
                self._opened_at = self._clock()
                self._become(BreakerState.OPEN)

    def _become(self, new: BreakerState) -> None:
        """Change the state, log it and emit BreakerChanged; do nothing if it is the same."""
        old, self._state = self._state, new
        if old is not new:
            fields = {"host": self._upstream, "old": old.value, "new": new.value}
            logger.warning("breaker.changed", extra=fields)
            events.emit(events.BreakerChanged(self._upstream, old.value, new.value))


@lru_cache(maxsize=64)
def _breakers(upstream: str, settings: conf.BreakerSettings) -> PerProcess[Breaker]:
    return PerProcess(lambda: Breaker(upstream, settings))


def of(upstream: str) -> Breaker:
    """Return this process's breaker for `upstream`, a ``host:port``."""
    return _breakers(upstream, conf.breaker()).get()
