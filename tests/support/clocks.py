"""Clocks that tests move by hand."""

import time
from collections.abc import Callable
from threading import Event


class ManualClock:
    """Stands still until it is moved; waiting moves it, and takes no time.

    Whoever waits for an event of another thread really waits, for at most `patience_seconds`.
    """

    def __init__(self) -> None:
        self.moved = 0.0
        self.waits: list[float] = []
        self.patience_seconds = 10.0
        #: Called at each wait, before the time passes: what others do meanwhile.
        self.meanwhile: Callable[[], object] = lambda: None
        self._began = time.time()

    def now(self) -> float:
        return self._began + self.moved

    def monotonic(self) -> float:
        return self.moved

    def wait(self, seconds: float, until: Event | None = None) -> None:
        self.waits.append(seconds)
        self.meanwhile()
        if until is None or not until.wait(self.patience_seconds):
            self.moved += seconds
