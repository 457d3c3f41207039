"""The count that all processes share, on Redis: a storage for the library ``limits``.

Keys, per upstream: ``coordinator:{host:port}:counted`` and ``...:held``, sorted sets of holders by
the moment in which they stop counting; ``...:state``, a hash of moments (below). Each operation is
one script, so atomic, and goes by the clock of Redis: those of several machines differ.

``limits`` brings the connection, the keys, and the strategies that run on any of its storages; its
own moving window is replaced, at the place that it has for that. That one counts a request when it
is granted, by the clock of whoever asks: four processes with a budget of 50 a second were seen to
send 59 within one (version 5.8). Why this one doesn't is told in ``permits``.

A store may forget (a restart) or have been out of reach of some; then its count says too little.
``state`` has three moments for that. ``born``: when it was found empty; nobody gets a permit in the
window after that, since others may have used theirs just before. ``since``: when somebody last
found it, or found it again; until `settle_seconds` after that each process keeps to its own share
as well, because some may not know yet that the store is back. ``paused``: until when upstream asked
for silence.

A store that hangs answers later on, when whoever asked has given up, and would keep permits for
nobody until their time has passed. So each question says how long its answer is waited for, on the
store's clock, which every answer tells.
"""

import time
import uuid
from collections.abc import Callable
from typing import Final, cast

import redis
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordinator.upstream import permit_scripts
from coordinator.upstream.permits import Allowance, Outcome, Verdict

#: What any operation raises if Redis can't be asked.
Unreachable: Final = redis.RedisError

_LATE = "late"


class Rate(RateLimitItemPerSecond):
    """A rate whose key is the upstream alone: a new setting goes on with the old one's count."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """Return the one identifier."""
        return str(identifiers[0])


class SharedPermits(RedisStorage):
    """The count of all processes for one upstream."""

    def __init__(
        self,
        upstream: str,
        url: str,
        timeout_seconds: float,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._timeout_seconds = timeout_seconds
        self._settle_seconds = settle_seconds
        self._clock = clock
        # What to add to our clock for that of Redis, both in seconds; None before its first answer.
        self._ahead_seconds: float | None = None
        super().__init__(
            url,
            key_prefix="coordinator",
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # Once more at once: a connection that a restart broke says nothing about Redis now.
            # A timeout is not repeated, it took long enough.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),  # type: ignore[arg-type]  # limits types the options of redis-py as plain values
        )

    def initialize_storage(self, _uri: str) -> None:
        """Register the scripts; nothing is sent to Redis yet."""
        super().initialize_storage(_uri)
        connection = cast(redis.Redis, self.get_connection())
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
        outcome, wait = self._taken(
            self._upstream, holder, allowance, hold_seconds, how, self._settle_seconds
        )
        return Verdict(Outcome(outcome), wait)

    def note(self, holder: str, allowance: Allowance, hold_seconds: float) -> None:
        """Count a permit that this process granted itself."""
        self._taken(self._upstream, holder, allowance, hold_seconds, "note", 0)

    def give(self, holder: str, allowance: Allowance) -> None:
        """Give a permit back."""
        arguments: list[str | int] = [holder, allowance.rate, _micro(allowance.window_seconds)]
        self._give(self._keys(self._upstream), arguments)

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, to nobody."""
        self._pause(self._keys(self._upstream), [_micro(seconds)])

    def remaining(self, rate: int) -> int:
        """Return how many of `rate` permits nobody has now; below 0 if the rate was lowered."""
        stats = MovingWindowRateLimiter(self).get_window_stats(Rate(rate), self._upstream)
        return int(stats.remaining)

    # What the strategies of limits ask of a storage.

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests that begin and end now, if `limit` has room for all of them."""
        allowance = Allowance(limit - amount + 1, 0, expiry)
        if amount > limit or self._taken(key, _word(), allowance, 0, "ask", 0)[0] != "granted":
            return False
        for _ in range(amount - 1):
            self._taken(key, _word(), allowance, 0, "note", 0)
        return True

    def get_moving_window(
        self,
        key: str,
        limit: int,  # noqa: ARG002  (the signature is that of limits)
        expiry: int,
    ) -> tuple[float, int]:
        """Return when the window that frees the next permit began, and how many are counted."""
        count, free_at = self._count(self._keys(key), [])
        return float(free_at) - expiry, int(count)

    def _taken(
        self,
        key: str,
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
        outcome, wait = self._answered(key, arguments)
        if outcome == _LATE:
            # Either this took long on its way, or another Redis has another clock: known by now.
            outcome, wait = self._answered(key, arguments)
        return ("busy" if outcome == _LATE else outcome), wait

    def _answered(self, key: str, arguments: list[str | int]) -> tuple[str, float]:
        ahead = self._ahead_seconds
        by = 0 if ahead is None else _micro(self._clock() + ahead + self._timeout_seconds)
        outcome, wait, now = self._take(self._keys(key), [*arguments, by])
        self._ahead_seconds = int(now) / 1_000_000 - self._clock()
        return (outcome if isinstance(outcome, str) else outcome.decode()), int(wait) / 1_000_000

    def _keys(self, upstream: str) -> list[str]:
        # The braces keep an upstream's keys on one node of a cluster: a script needs them together.
        return [
            self.prefixed_key(f"{{{upstream}}}:{what}") for what in ("counted", "held", "state")
        ]


def _word() -> str:
    """Return a holder's name that nobody has used."""
    return uuid.uuid4().hex


def _micro(seconds: float) -> int:
    """Return `seconds` in microseconds: whole numbers that Lua and a sorted set hold exactly."""
    return round(seconds * 1_000_000)
