"""Who is asking upstream at this moment and who was in the last second: the count behind a budget.

A permit is taken before a request leaves and given back when it has ended. It counts against the
rate while it is held **and for one window after it was given back**. Counting when a permit is
granted is not enough: a request may reach upstream a good while after that (a new connection, a
busy machine), together with those of the next second. Counted like this, no second at upstream ever
sees more than the rate, since whatever arrives in it holds a permit of its own. The price is that
the rate is reached only in as far as answers are quick: ``rate / (1 + seconds per answer)``.

Kept in this process here, and for all processes in ``shared_permits``; both pass the same tests.
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most `rate` permits in any `window_seconds`, and `concurrent` at a time; 0 is no limit."""

    rate: int
    concurrent: int
    window_seconds: float = 1.0

    @property
    def unlimited(self) -> bool:
        """Return True if there is nothing to count."""
        return not (self.rate or self.concurrent)


class PermitOutcome(Enum):
    """What came of asking for a permit."""

    GRANTED = "granted"
    #: The allowance is used up.
    BUSY = "busy"
    #: Upstream asked for silence.
    PAUSED = "paused"
    #: The shared count is too young to be trusted: each process keeps to its own share.
    SETTLING = "settling"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and when asking again makes sense (an estimate, 0 if nothing is known)."""

    outcome: PermitOutcome
    wait_seconds: float = 0.0


GRANTED = Verdict(PermitOutcome.GRANTED)


class Permits(Protocol):
    """What both counts have in common. A holder is any word that no other call uses."""

    def take(self, holder: str, allowance: Allowance, hold_seconds: float) -> Verdict:
        """Take a permit for `holder` if `allowance` has room.

        One that is never given back, its process being dead, is free again after `hold_seconds`
        and the window.
        """
        ...

    def note(self, holder: str, allowance: Allowance, hold_seconds: float) -> None:
        """Count a permit that another count granted."""
        ...

    def give(self, holder: str, allowance: Allowance) -> None:
        """Give the permit back; it counts for one more window."""
        ...

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds` from now, or longer if longer was asked for before."""
        ...


class OwnPermits:
    """The count of this process alone. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._paused_until = 0.0
        self._silent_until = 0.0
        # When each permit stops counting against the rate, and against those held at a time.
        self._counted: dict[str, float] = {}
        self._held: dict[str, float] = {}

    def take(self, holder: str, allowance: Allowance, hold_seconds: float) -> Verdict:
        """Take a permit, as `Permits` says."""
        with self._lock:
            now = self._clock()
            if now < self._paused_until:
                return Verdict(PermitOutcome.PAUSED, self._paused_until - now)
            if allowance.unlimited:
                return GRANTED
            if now < self._silent_until:
                return Verdict(PermitOutcome.BUSY, self._silent_until - now)
            if allowance.concurrent and len(self._held) >= allowance.concurrent:
                self._held = _later(self._held, now)
                if len(self._held) >= allowance.concurrent:
                    return Verdict(PermitOutcome.BUSY)
            if allowance.rate and len(self._counted) >= allowance.rate:
                self._counted = _later(self._counted, now)
                over = len(self._counted) - allowance.rate
                if over >= 0:
                    free_at = heapq.nsmallest(over + 1, self._counted.values())[-1]
                    return Verdict(PermitOutcome.BUSY, free_at - now)
            self._add(holder, allowance, hold_seconds, now)
            return GRANTED

    def note(self, holder: str, allowance: Allowance, hold_seconds: float) -> None:
        """Count a permit, as `Permits` says."""
        with self._lock:
            now = self._clock()
            self._held = _later(self._held, now)
            self._counted = _later(self._counted, now)
            self._add(holder, allowance, hold_seconds, now)

    def give(self, holder: str, allowance: Allowance) -> None:
        """Give a permit back, as `Permits` says."""
        with self._lock:
            self._held.pop(holder, None)
            if allowance.rate:
                self._counted[holder] = self._clock() + allowance.window_seconds

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, as `Permits` says."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def pause_left(self) -> float:
        """Return for how many seconds more upstream wants silence."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock())

    def keep_silent(self, seconds: float) -> None:
        """Grant nothing for `seconds`, while others may be using what is not counted here."""
        with self._lock:
            self._silent_until = self._clock() + seconds

    def counted(self) -> int:
        """Return how many permits count against the rate now."""
        with self._lock:
            return len(_later(self._counted, self._clock()))

    def _add(self, holder: str, allowance: Allowance, hold_seconds: float, now: float) -> None:
        self._held[holder] = now + hold_seconds
        if allowance.rate:
            self._counted[holder] = now + hold_seconds + allowance.window_seconds


def _later(moments: dict[str, float], now: float) -> dict[str, float]:
    """Return those of `moments` that are still to come."""
    return {holder: moment for holder, moment in moments.items() if moment > now}
