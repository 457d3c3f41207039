"""Keeps durations and tells their percentiles, in bounded memory."""

import math
import random
import threading

_KEPT = 20_000


class Samples:
    """Durations in milliseconds; any thread may add one.

    Beyond `kept` it holds a uniform sample of all that were added (Vitter's algorithm R), so a run
    may last for days.
    """

    def __init__(self, kept: int = _KEPT, seed: int = 0) -> None:
        self._kept = kept
        self._values: list[float] = []
        self._added = 0
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many were added."""
        return self._added

    def add(self, milliseconds: float) -> None:
        """Add one duration."""
        with self._lock:
            self._added += 1
            if len(self._values) < self._kept:
                self._values.append(milliseconds)
                return
            place = self._rng.randrange(self._added)
            if place < self._kept:
                self._values[place] = milliseconds

    def percentile(self, percent: float) -> float | None:
        """Return the smallest value that `percent` of them don't exceed, None if there is none."""
        with self._lock:
            values = sorted(self._values)
        if not values:
            return None
        return values[max(0, math.ceil(len(values) * percent / 100) - 1)]
