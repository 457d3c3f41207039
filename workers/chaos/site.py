"""Where the faults happen: the running system, what they may do to it, and who takes note."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coordinator.errors import CoordinatorError
from workers.chaos.judge import Judge
from workers.stack.program import Program
from workers.stack.system import System

_LOOK_SECONDS = 0.005
#: granian takes two deaths of one worker within 5.5 s for a loop, and gives up.
_BETWEEN_WEB_KILLS_SECONDS = 8.0


class NotInjected(CoordinatorError):
    """What the fault was waiting for did not happen."""


class Interrupted(CoordinatorError):
    """Somebody interrupted it."""


class Site:
    """The system under test, for the thread that started it."""

    def __init__(self, system: System, judge: Judge, orders: Path, seed: str) -> None:
        self.system = system
        self.judge = judge
        self.orders = orders
        self.rng = random.Random(f"{seed}:faults")
        self._web_killed_at = float("-inf")

    def wait(self, seconds: float) -> None:
        """Let time pass; raise Interrupted if somebody has enough."""
        if self.system.wait(seconds):
            raise Interrupted

    def wait_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Return once `holds` does; raise NotInjected, naming `what`, if it does not in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= deadline:
                raise NotInjected(what)
            self.wait(_LOOK_SECONDS)

    def worker(self) -> Program:
        """Return one of the workers, by chance."""
        return self.rng.choice(self.system.supervisor.of("worker"))

    @contextmanager
    def cache_fault(self) -> Iterator[None]:
        """Take note that the cache is at fault within the block."""
        began = time.time()
        try:
            yield
        finally:
            self.judge.cache_fault(began, time.time())

    def spare_the_web(self) -> None:
        """Wait until a web process may be killed without its server giving up."""
        left = self._web_killed_at + _BETWEEN_WEB_KILLS_SECONDS - time.monotonic()
        if left > 0:
            self.wait(left)

    def web_killed(self, at: float) -> None:
        """Take note that a web process was killed `at` this time."""
        self._web_killed_at = time.monotonic()
        self.judge.web_killed(at)
