"""Runs a check that may hang, in a thread of its own, and waits for it only so long.

A database behind a broken network holds a query for minutes; a probe has a second. While a
check runs, all probes share its answer: however many probes come, one thread hangs.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import DatabaseError, connections

logger = logging.getLogger(__name__)

Details = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of one check: whether all is well, after how long, and details for operators."""

    ok: bool
    details: Details = field(default_factory=dict)
    seconds: float = 0.0


class Check:
    """A named check. `look` returns a CheckResult.

    If it raises, the check failed, and the kind of error is its detail.
    """

    def __init__(self, name: str, look: Callable[[], CheckResult]) -> None:
        self.name = name
        self._look = look
        self._lock = threading.Lock()
        self._running: Future[CheckResult] | None = None

    def begin(self) -> "Future[CheckResult]":
        """Start it, unless it runs already; return what will be its finding."""
        with self._lock:
            if self._running is not None:
                return self._running
            running = self._running = Future()
        name = f"health-{self.name}"
        threading.Thread(target=self._run, args=(running,), name=name, daemon=True).start()
        return running

    def _run(self, running: "Future[CheckResult]") -> None:
        began = time.monotonic()
        try:
            found = self._look()
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is an answer
            # The kind alone: a text may name hosts and users.
            kind = type(error).__name__
            logger.warning("health.check_failed", extra={"check": self.name, "error": kind})
            found = CheckResult(False, {"error": kind})
        with suppress(DatabaseError):
            # This thread's own: a new one each time, which is what the next request may need too.
            connections.close_all()
        with self._lock:
            self._running = None
        running.set_result(CheckResult(found.ok, found.details, time.monotonic() - began))


def findings(checks: Iterable[Check], timeout_seconds: float) -> dict[str, CheckResult]:
    """Run these checks at once; return the finding of each by name, after the timeout at most.

    One that takes longer is not well, and runs on for the next probe.
    """
    deadline = time.monotonic() + timeout_seconds
    running = [(check.name, check.begin()) for check in checks]
    found = {}
    for name, future in running:
        try:
            found[name] = future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            details = {"error": f"no answer within {timeout_seconds:g} s"}
            found[name] = CheckResult(False, details, timeout_seconds)
    return found
