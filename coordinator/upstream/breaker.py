"""Leaves upstream alone for a while after it failed several times in a row.

Closed: calls go out. After COORDINATOR_BREAKER_FAILURES failures without a success between them
(timeouts, broken connections, 5xx) it opens: calls fail at once, and nobody's thread waits for a
timeout. After COORDINATOR_BREAKER_RESET_SECONDS one call goes out to try, the others still fail;
its success closes the breaker, its failure opens it again. That upstream refuses a request (4xx) or
asks for less (429) shows that it lives.

``pybreaker`` counts and keeps the state, one per process and upstream. It is told the results
rather than given the calls: ``CircuitBreaker.call`` holds a lock while the call runs, one call at a
time for the whole process, and lets any number through when half-open.

Per process, not on Redis: there each call would cost round trips, an outage of Redis would be
logged with a traceback at every call, and a breaker that Redis calls open stays open when upstream
is well and one machine's network is not. Not sharing costs each process the failures to find out
for itself, and a probe per reset time.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Lock

import pybreaker

from coordinator.upstream import conf, events
from coordinator.upstream.errors import UpstreamCircuitOpen
from coordinator.upstream.process import PerProcess

logger = logging.getLogger(__name__)

# While somebody else tries whether upstream is back, come back soon: the answer is near.
_PROBE_RETRY_SECONDS = 1.0


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
        self._clock = clock
        self._reset_seconds = settings.reset_seconds
        self._lock = Lock()
        self._opened_at = 0.0
        self._probing = False
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=settings.failures,
            reset_timeout=settings.reset_seconds,
            name=upstream,
            listeners=[_Listener(upstream)],
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> str:
        """Return "closed", "open" or "half-open"."""
        return self._breaker.current_state

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
        """Return True for the one call that tries whether upstream is back."""
        with self._lock:
            if self._breaker.current_state == pybreaker.STATE_CLOSED:
                return False
            left = self._opened_at + self._reset_seconds - self._clock()
            if self._breaker.current_state == pybreaker.STATE_OPEN and left > 0:
                raise UpstreamCircuitOpen(retry_after_seconds=left)
            if self._probing:
                raise UpstreamCircuitOpen(retry_after_seconds=_PROBE_RETRY_SECONDS)
            self._probing = True
            if self._breaker.current_state == pybreaker.STATE_OPEN:
                self._breaker.half_open()
            return True

    def _learn(self, result: Result, *, probe: bool) -> None:
        with self._lock:
            if probe:
                self._probing = False
            elif self._breaker.current_state != pybreaker.STATE_CLOSED:
                # It left before the breaker opened: what it says is no news, and only the probe's
                # word counts for closing.
                return
            if result.failure is None:
                return
            with suppress(_Failed):
                self._breaker.call(_repeat, result.failure)
            if self._breaker.current_state == pybreaker.STATE_OPEN:
                self._opened_at = self._clock()


class _Failed(Exception):
    """The failure that pybreaker counts; it never leaves this module."""


class _Listener(pybreaker.CircuitBreakerListener):
    """Tells the others when the state changes."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002  (pybreaker's signature)
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Log it and emit BreakerChanged."""
        old = old_state.name if old_state else pybreaker.STATE_CLOSED
        fields = {"host": self._upstream, "old": old, "new": new_state.name}
        logger.warning("breaker.changed", extra=fields)
        events.emit(events.BreakerChanged(self._upstream, old, new_state.name))


def _repeat(failure: bool) -> None:
    """Do again what a call did, for pybreaker to see."""
    if failure:
        raise _Failed


@lru_cache(maxsize=64)
def _breakers(upstream: str, settings: conf.BreakerSettings) -> PerProcess[Breaker]:
    return PerProcess(lambda: Breaker(upstream, settings))


def of(upstream: str) -> Breaker:
    """Return this process's breaker for `upstream`, a ``host:port``."""
    return _breakers(upstream, conf.breaker()).get()
