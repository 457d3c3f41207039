"""Runs functions at the same time, and brings back what each returned or raised."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

PATIENCE_SECONDS = 30.0


class Running:
    """A function that runs in a thread of its own."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._result: object = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            self._error = error
        finally:
            # A thread's database connection is nobody else's.
            connections.close_all()

    def result(self) -> object:
        """Wait until it has ended; return what it returned, or raise what it raised."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the thread does not end"
        if self._error is not None:
            raise self._error
        return self._result


def at_once(functions: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """Call all of `functions` at the same moment; return what each one returned or raised."""
    barrier = threading.Barrier(len(functions))

    def starting(function: Callable[[], T]) -> Callable[[], T]:
        def start() -> T:
            barrier.wait(PATIENCE_SECONDS)
            return function()

        return start

    running = [Running(starting(function)) for function in functions]
    results: list[T | BaseException] = []
    for one in running:
        try:
            results.append(one.result())  # type: ignore[arg-type]  # what the function returned
        except Exception as error:  # noqa: BLE001  # the caller looks at each
            results.append(error)
    return results
