"""Tallies what readers got: hits and misses, how long they took, and whether any was stale."""

import threading
import time
from collections.abc import Callable

from tools.report.answers import How, ReadAnswer
from tools.report.oracle import Committed, staleness
from tools.report.readthrough import ReadThrough
from tools.report.samples import Samples
from tools.report.troubles import Troubles


class Reads:
    """What the readers of one run got. Any thread may add an answer.

    `too_early` counts 404s for payments that the ledger did not know yet: their first webhook was
    still on its way, nothing was there to be read, and they count as no read at all.
    """

    def __init__(
        self,
        model: ReadThrough,
        troubles: Troubles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self.stale = 0
        self.too_early = 0
        self.waited_ms = 0.0
        """What all readers together waited for their answers."""
        self.would_load = 0
        """How many of them would have loaded without warming, by the model."""
        self.would_load_ms = 0.0
        """What those waited."""
        self.warm_ms = Samples()
        self.cold_ms = Samples()
        self._model = model
        self._troubles = troubles
        self._clock = clock
        self._lock = threading.Lock()

    def add(
        self, number: str, before: Committed | None, answer: ReadAnswer, milliseconds: float
    ) -> None:
        """Count one answer; `before` is what was committed when its request began."""
        stale = staleness(before, answer)
        with self._lock:
            match answer.how:
                case How.HIT:
                    self.hits += 1
                    self.warm_ms.add(milliseconds)
                case How.MISS:
                    self.misses += 1
                    self.cold_ms.add(milliseconds)
                case How.UNKNOWN if before is None:
                    self.too_early += 1
            if stale:
                self.stale += 1
        if stale:
            self._troubles.note(f"stale read of {number}: {stale}")
        if answer.how is How.FAILED:
            what = f"status {answer.status}" if answer.status else "no answer"
            self._troubles.add("reads", f"read of {number}: {what}")
        if not answer.how.is_read:
            return
        would = answer.revision is not None and self._model.read(
            number, answer.revision, self._clock()
        )
        with self._lock:
            self.waited_ms += milliseconds
            if would:
                self.would_load += 1
                self.would_load_ms += milliseconds

    @property
    def total(self) -> int:
        """Return how many readers got a payment."""
        return self.hits + self.misses

    @property
    def hit_ratio(self) -> float:
        """Return the share of reads that loaded nothing from upstream, 0 without any read."""
        return self.hits / self.total if self.total else 0.0
