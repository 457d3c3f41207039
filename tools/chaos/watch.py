"""Watches how the system is, and tells when it is again as it usually is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.ledger import queue
from coordinator.ledger.queue import Backlog
from tools.chaos.judge import Judge

#: No shorter wait is trusted, however well the calm went: the machine has little to spare.
_PATIENCE_SECONDS = 2.0
_RATIO_SLACK = 0.15
# Longer than a change may wait without being noticed: usual for so long is usual.
_HOLD_SECONDS = 2.5
_FEWEST_READS = 10


@dataclass(slots=True)
class Usual:
    """How it was while nothing went wrong."""

    oldest_seconds: float = 0.0
    lowest_ratio: float = 1.0

    def __str__(self) -> str:
        return (
            f"changes wait {self.oldest_seconds:.1f} s, {self.lowest_ratio:.0%} of reads are hits"
        )


class Watch:
    """Looks at the backlog, at what readers get, and whether `all_run`. For one thread."""

    every_seconds = 0.2

    def __init__(
        self,
        judge: Judge,
        all_run: Callable[[], bool],
        *,
        backlog: Callable[[], Backlog] = queue.backlog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.usual = Usual()
        self._judge = judge
        self._all_run = all_run
        self._backlog = backlog
        self._clock = clock
        self._learning = False
        self._looked_at = float("-inf")
        self._last_unusual = float("-inf")

    def learn(self, *, learning: bool) -> None:
        """Take what is seen from now on for the usual, or no longer."""
        self._learning = learning

    def look(self) -> None:
        """Look, if the last time was some time ago."""
        now = self._clock()
        if now - self._looked_at < self.every_seconds:
            return
        self._looked_at = now
        backlog, lately = self._backlog(), self._judge.lately()
        if self._learning:
            self.usual.oldest_seconds = max(self.usual.oldest_seconds, backlog.oldest_seconds)
            if lately.reads >= _FEWEST_READS:
                self.usual.lowest_ratio = min(self.usual.lowest_ratio, lately.hit_ratio)
        elif (
            backlog.oldest_seconds > max(_PATIENCE_SECONDS, 2 * self.usual.oldest_seconds)
            or lately.turned_away
            or (
                lately.reads >= _FEWEST_READS
                and lately.hit_ratio < self.usual.lowest_ratio - _RATIO_SLACK
            )
            or not self._all_run()
        ):
            self._last_unusual = now

    def recovered_after(self, gone_at: float) -> float | None:
        """Return how many seconds after `gone_at` all was as usual; None if it is not yet."""
        last = max(gone_at, self._last_unusual)
        return last - gone_at if self._clock() - last >= _HOLD_SECONDS else None
