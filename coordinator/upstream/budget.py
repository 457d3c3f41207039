"""Lets out what the budget permits: so many requests a second, so many at a time, for all of us.

With ``COORDINATOR_BUDGET_URL`` on Redis the count is shared by all processes; with ``memory://``
this process has the whole budget. Each cause may use its part (``COORDINATOR_UPSTREAM_SHARES``) and
leaves the rest to those that go before it: while backfills, beats and events are at their limit, a
waiting user still finds room.

If Redis can't be asked, a process keeps to its own share, the budget divided by
``COORDINATOR_BUDGET_PROCESSES``, and asks Redis again every second. It begins that with a window of
silence, since it can't know what the others have just used. Coming back it tells the store, and for
a few seconds every process keeps to both, own share and shared count, until all can have noticed.

What is bounded is what the processes can know: one that is cut off alone adds its own share, and
more processes than COORDINATOR_BUDGET_PROCESSES share more than the budget.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Condition

from coordinator import causes
from coordinator.upstream import conf, events, shares
from coordinator.upstream.deadlines import Deadline
from coordinator.upstream.errors import UpstreamBudgetSpent, UpstreamRateLimited
from coordinator.upstream.permits import OwnPermits, PermitOutcome, Verdict
from coordinator.upstream.process import PerProcess
from coordinator.upstream.shared_permits import SharedPermits, Unreachable
from coordinator.upstream.shares import WINDOW_SECONDS

logger = logging.getLogger(__name__)

MEMORY_URL = "memory://"

# How long a store that did not answer is left alone.
DOWN_SECONDS = 1.0
# After this much all have noticed that the store is back: the time in which it is left alone,
# two attempts that run into a timeout, and a window.
_SETTLE_SLACK_SECONDS = 1.0
# Permits come free when another request ends, which in another process makes no sound.
_LOOK_AGAIN_SECONDS = 0.1
_LOOK_AGAIN_AT_LEAST_SECONDS = 0.01


class Budget:
    """The budget for one upstream, as one process sees it. Safe to use from several threads."""

    def __init__(
        self,
        upstream: str,
        url: str,
        store_timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._own = OwnPermits(clock)
        self._freed = Condition()
        # How many threads wait for their turn. Written under the condition's lock.
        self._waiting = 0
        self._shared: SharedPermits | None = None
        if url != MEMORY_URL:
            settle = DOWN_SECONDS + 2 * store_timeout_seconds + WINDOW_SECONDS
            self._shared = SharedPermits(
                upstream, url, store_timeout_seconds, settle + _SETTLE_SLACK_SECONDS
            )
        # While the store is out of reach: when to ask it again. Written under the condition's lock.
        self._ask_again_at = 0.0
        self._cut_off = False

    @contextmanager
    def permit(self, cause: str, deadline: Deadline) -> Iterator[None]:
        """Hold a permit within the block, which has to end by `deadline`.

        For a user it is worth waiting COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS, as long as no more
        than COORDINATOR_UPSTREAM_BUDGET_WAITING threads of this process do. Raise
        UpstreamBudgetSpent if there is none, UpstreamRateLimited while upstream has asked for
        silence; both say when to try again.
        """
        settings = conf.budget()
        holder = uuid.uuid4().hex
        self._obtain(holder, cause, deadline, settings)
        try:
            yield
        finally:
            self._give(holder, settings)

    def pause(self, seconds: float) -> None:
        """Keep every call from upstream for `seconds`, in each process that shares the count."""
        self._own.pause(seconds)
        events.emit(events.UpstreamPaused(self._upstream, seconds))
        self._tell_store(lambda store: store.pause(seconds))

    def remaining(self) -> int | None:
        """Return how many permits a waiting user could take now, None if there is no limit."""
        settings = conf.budget()
        whole = shares.whole(settings)
        if not whole.rate:
            return None
        if (shared := self._in_touch()) is not None:
            try:
                return max(0, shared.remaining(whole.rate))
            except Unreachable as error:
                self._note_cut_off(error)
        mine = shares.own(settings) if self._shared else whole
        return max(0, mine.rate - self._own.counted())

    def _obtain(
        self, holder: str, cause: str, deadline: Deadline, settings: conf.BudgetSettings
    ) -> None:
        began = self._clock()
        patience = settings.wait_seconds if causes.somebody_waits(cause) else 0.0
        give_up_at = began + min(patience, deadline.remaining())
        waited = False
        try:
            while True:
                verdict = self._take(holder, cause, deadline, settings)
                now = self._clock()
                if verdict.outcome is PermitOutcome.GRANTED:
                    break
                left = give_up_at - now
                paused = verdict.outcome is PermitOutcome.PAUSED
                if left <= 0 or (paused and verdict.wait_seconds > left):
                    break
                with self._freed:
                    # Each thread that waits here answers no warm read meanwhile.
                    if not waited and self._waiting >= settings.waiting:
                        break
                    if not waited:
                        waited = True
                        self._waiting += 1
                    self._freed.wait(min(left, _pause_before_looking(verdict)))
        finally:
            if waited:
                with self._freed:
                    self._waiting -= 1
        granted = verdict.outcome is PermitOutcome.GRANTED
        if waited or not granted:
            events.emit(events.BudgetWaited(cause, self._upstream, now - began, granted))
        if not granted:
            raise _refusal(verdict)

    def _take(
        self, holder: str, cause: str, deadline: Deadline, settings: conf.BudgetSettings
    ) -> Verdict:
        """Ask once, wherever there is an answer now."""
        whole = shares.whole(settings, cause)
        # Not below what is left of the call: a request that is still on its way holds its permit.
        hold = deadline.remaining() + _LOOK_AGAIN_SECONDS
        if self._shared is None:
            return self._own.take(holder, whole, hold)
        share = shares.own(settings, cause)
        if left := self._own.pause_left():
            # The store may not have heard of it, and need not be asked.
            return Verdict(PermitOutcome.PAUSED, left)
        shared = self._reachable()
        if shared is None:
            return self._own.take(holder, share, hold)
        try:
            verdict = shared.take(holder, whole, hold, returning=self._cut_off)
        except Unreachable as error:
            self._note_cut_off(error)
            return self._own.take(holder, share, hold)
        self._note_reached()
        if verdict.outcome is PermitOutcome.SETTLING:
            verdict = self._own.take(holder, share, hold)
            if verdict.outcome is PermitOutcome.GRANTED:
                self._tell_store(lambda store: store.note(holder, whole, hold))
        elif verdict.outcome is PermitOutcome.GRANTED and not whole.unlimited:
            # For the moment in which the store is lost: what was used of the share by then.
            self._own.note(holder, share, hold)
        return verdict

    def _give(self, holder: str, settings: conf.BudgetSettings) -> None:
        whole = shares.whole(settings)
        if whole.unlimited:
            return
        self._own.give(holder, shares.own(settings) if self._shared else whole)
        # A store that is out of reach has it back when the time has passed for which it was held.
        self._tell_store(lambda store: store.give(holder, whole))
        with self._freed:
            self._freed.notify()

    def _in_touch(self) -> SharedPermits | None:
        """Return the store, or None if it did not answer when it was last asked."""
        return None if self._cut_off else self._shared

    def _tell_store(self, telling: Callable[[SharedPermits], None]) -> None:
        """Let `telling` tell the store something, if it listens."""
        if (shared := self._in_touch()) is not None:
            try:
                telling(shared)
            except Unreachable as error:
                self._note_cut_off(error)

    def _reachable(self) -> SharedPermits | None:
        """Return the store, or None if it is to be left alone for now.

        While it is out of reach one thread at a time tries it; the others don't run into its
        timeout as well.
        """
        if self._shared is None or not self._cut_off:
            return self._shared
        with self._freed:
            now = self._clock()
            if now < self._ask_again_at:
                return None
            self._ask_again_at = now + DOWN_SECONDS
        return self._shared

    def _note_cut_off(self, error: Exception) -> None:
        with self._freed:
            self._ask_again_at = self._clock() + DOWN_SECONDS
            first, self._cut_off = not self._cut_off, True
        if first:
            # What the others have used in this window is not known here any more.
            self._own.keep_silent(WINDOW_SECONDS)
            self._mode_changed(shared=False, kind=type(error).__name__)

    def _note_reached(self) -> None:
        if self._cut_off:
            with self._freed:
                first, self._cut_off = self._cut_off, False
            if first:
                self._mode_changed(shared=True)

    def _mode_changed(self, *, shared: bool, kind: str = "") -> None:
        fields = {"host": self._upstream, "shared": shared, "kind": kind}
        logger.warning("budget.mode_changed", extra=fields)
        events.emit(events.BudgetModeChanged(self._upstream, shared))


@lru_cache(maxsize=64)
def _budgets(upstream: str, url: str, store_timeout_seconds: float) -> PerProcess[Budget]:
    return PerProcess(lambda: Budget(upstream, url, store_timeout_seconds))


def of(upstream: str) -> Budget:
    """Return this process's budget for `upstream`, a ``host:port``."""
    settings = conf.budget()
    return _budgets(upstream, settings.url, settings.timeout_seconds).get()


def _pause_before_looking(verdict: Verdict) -> float:
    """Return how long to wait: not past an estimate, nor all waiting threads at one moment."""
    if verdict.outcome is PermitOutcome.PAUSED:
        return verdict.wait_seconds + random.uniform(0, _LOOK_AGAIN_SECONDS)
    wait = min(max(verdict.wait_seconds, _LOOK_AGAIN_AT_LEAST_SECONDS), _LOOK_AGAIN_SECONDS)
    return wait * random.uniform(1, 1.5)


def _refusal(verdict: Verdict) -> UpstreamBudgetSpent | UpstreamRateLimited:
    if verdict.outcome is PermitOutcome.PAUSED:
        return UpstreamRateLimited("paused", retry_after_seconds=verdict.wait_seconds)
    # An estimate counts on permits that may be held to the end of their time: most are not.
    wait = min(max(verdict.wait_seconds, _LOOK_AGAIN_SECONDS), 2 * WINDOW_SECONDS)
    return UpstreamBudgetSpent(retry_after_seconds=wait)
