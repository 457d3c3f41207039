"""Where the faults happen: the running system, what they may do to it, and who takes note."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coordinator.errors import CoordinatorError
from tools.chaos import underway
from tools.chaos.judge import Judge
from tools.chaos.watch import Watch
from tools.servers.programs import MemcachedServer
from tools.stack.program import Program
from tools.stack.system import Interrupted, System

_LOOK_SECONDS = 0.005
#: granian takes two deaths of one worker within 5.5 s for a loop, and gives up.
_BETWEEN_WEB_KILLS_SECONDS = 8.0


class NotInjected(CoordinatorError):
    """What the fault was waiting for did not happen."""


class Site:
    """The system under test, for the thread that started it."""

    def __init__(self, system: System, judge: Judge, watch: Watch, orders: Path, seed: str) -> None:
        self.system = system
        self.judge = judge
        self.watch = watch
        self.orders = orders
        self.rng = random.Random(f"{seed}:faults")
        self._web_killed_at = float("-inf")

    def wait(self, seconds: float) -> None:
        """Let time pass, and watch; raise Interrupted on Ctrl-C."""
        deadline = time.monotonic() + seconds
        while True:
            self.watch.look()
            left = deadline - time.monotonic()
            if self.system.wait(max(0.0, min(left, self.watch.every_seconds))):
                raise Interrupted
            if left <= self.watch.every_seconds:
                return

    def wait_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Return once `holds` does; raise NotInjected, naming `what`, if it does not in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= deadline:
                raise NotInjected(what)
            self.wait(_LOOK_SECONDS)

    def busy_worker(self, seconds: float) -> Program:
        """Return a worker that is in the middle of a task; raise NotInjected without any."""
        busy: list[Program] = []

        def found() -> bool:
            busy[:] = filter(underway.is_settling, self.system.supervisor.of("worker"))
            return bool(busy)

        self.wait_until(found, seconds, "no worker had work")
        return self.rng.choice(busy)

    @contextmanager
    def cache_fault(self, *nodes: MemcachedServer) -> Iterator[None]:
        """Take note that these nodes of the cache are at fault within the block."""
        began = time.time()
        try:
            yield
        finally:
            self.judge.cache_fault(began, time.time(), [node.address for node in nodes])

    def spare_the_web(self) -> None:
        """Wait until a web process may be killed without its server giving up."""
        left = self._web_killed_at + _BETWEEN_WEB_KILLS_SECONDS - time.monotonic()
        if left > 0:
            self.wait(left)

    def web_killed(self, at: float) -> None:
        """Take note that a web process was killed `at` this time."""
        self._web_killed_at = time.monotonic()
        self.judge.web_killed(at)
