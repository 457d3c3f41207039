"""The count that all processes share, on Redis, with one script for each operation.

Keys, per upstream: ``coordinator:{host:port}:counted`` and ``...:held``, sorted sets of holders by
the moment in which they stop counting; ``...:state``, a hash of moments (below). Each operation is
one script, so atomic, and uses the clock of Redis: those of several machines differ. Why a permit
counts until a window after it was given back, and not from when it was granted, is told in
``permits``; a moving window that counts grants (that of the library ``limits``, 5.8) let four
processes with a budget of 50 a second send 59 within one.

A store may forget (a restart) or have been out of reach of some; then its count says too little.
``state`` has three moments for that. ``born``: when it was found empty; no permit is granted in the
window after that, since other processes may have used theirs just before. ``since``: when a process
last found it, or found it again; until `settle_seconds` after that each process keeps to its own
share as well, because some may not know yet that the store is back. ``paused``: until when upstream
asked for silence.

A store that hangs answers later, when its caller has given up, and would then hold a permit that no
process uses until its time has passed. So each question says how long its answer is waited for, on
the store's clock, which every answer tells.
"""

import time
from collections.abc import Callable
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordinator.upstream import permit_scripts
from coordinator.upstream.permits import Allowance, PermitOutcome, Verdict

#: What any operation raises if Redis can't be asked.
Unreachable: Final = redis.RedisError

_LATE = "late"


class SharedPermits:
    """The count of all processes for one upstream. Connects at its first use."""

    def __init__(
        self,
        upstream: str,
        url: str,
        timeout_seconds: float,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._settle_seconds = settle_seconds
        self._clock = clock
        # What to add to our clock for that of Redis, both in seconds; None before its first answer.
        self._ahead_seconds: float | None = None
        connection = redis.Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # Once more at once: a connection that a restart broke says nothing about Redis now.
            # A timeout is not repeated, it took long enough.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        # The braces keep an upstream's keys on one node of a cluster: a script needs them together.
        self._keys = [f"coordinator:{{{upstream}}}:{what}" for what in ("counted", "held", "state")]
        self._take = connection.register_script(permit_scripts.TAKE)
        self._give = connection.register_script(permit_scripts.GIVE)
        self._pause = connection.register_script(permit_scripts.PAUSE)
        self._count = connection.register_script(permit_scripts.COUNT)

    # As Permits says; each raises Unreachable.

    def take(
        self, holder: str, allowance: Allowance, hold_seconds: float, *, returning: bool = False
    ) -> Verdict:
        """Take a permit; `returning` says that this process could not reach the store before."""
        how = "return" if returning else "ask"
        outcome, wait = self._taken(holder, allowance, hold_seconds, how, self._settle_seconds)
        return Verdict(PermitOutcome(outcome), wait)

    def note(self, holder: str, allowance: Allowance, hold_seconds: float) -> None:
        """Count a permit that this process granted itself."""
        self._taken(holder, allowance, hold_seconds, "note", 0)

    def give(self, holder: str, allowance: Allowance) -> None:
        """Give a permit back."""
        arguments: list[str | int] = [holder, allowance.rate, _micro(allowance.window_seconds)]
        self._give(self._keys, arguments)

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, in any process."""
        self._pause(self._keys, [_micro(seconds)])

    def remaining(self, rate: int) -> int:
        """Return how many of `rate` permits are free now; below 0 if the rate was lowered."""
        return rate - int(self._count(self._keys, []))

    def _taken(
        self,
        holder: str,
        allowance: Allowance,
        hold_seconds: float,
        how: str,
        settle_seconds: float,
    ) -> tuple[str, float]:
        arguments: list[str | int] = [
            *(holder, allowance.rate, allowance.concurrent),
            *(_micro(allowance.window_seconds), _micro(hold_seconds), _micro(settle_seconds)),
            how,
        ]
        outcome, wait = self._answered(arguments)
        if outcome == _LATE:
            # Either this took long on its way, or another Redis has another clock: known by now.
            outcome, wait = self._answered(arguments)
        return ("busy" if outcome == _LATE else outcome), wait

    def _answered(self, arguments: list[str | int]) -> tuple[str, float]:
        ahead = self._ahead_seconds
        by = 0 if ahead is None else _micro(self._clock() + ahead + self._timeout_seconds)
        outcome, wait, now = self._take(self._keys, [*arguments, by])
        self._ahead_seconds = int(now) / 1_000_000 - self._clock()
        return (outcome if isinstance(outcome, str) else outcome.decode()), int(wait) / 1_000_000


def _micro(seconds: float) -> int:
    """Return `seconds` in microseconds: whole numbers that Lua and a sorted set hold exactly."""
    return round(seconds * 1_000_000)
