"""Ctrl-C, and the other ways in which a run is told to end."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts signals, and lets the main thread wait for one.

    By a pipe: a handler runs between any two steps of the main thread, and `threading.Event` locks
    up if that is in the middle of its own `wait`.
    """

    def __init__(self) -> None:
        self._count = 0
        self._read, self._write = os.pipe()

    def wait(self, seconds: float, times: int = 1) -> bool:
        """Return True as soon as `times` signals have come, False if they don't in `seconds`."""
        until = time.monotonic() + seconds
        while self._count < times:
            left = until - time.monotonic()
            if left <= 0:
                return False
            if select.select([self._read], [], [], left)[0]:
                os.read(self._read, 64)
        return True

    def handle(self, *_: object) -> None:
        """Count a signal."""
        self._count += 1
        os.write(self._write, b"!")

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._read)
        os.close(self._write)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Take signals for as long as the block takes, instead of being ended by them."""
    interrupts = Interrupts()
    before = {number: signal.signal(number, interrupts.handle) for number in _SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        interrupts.close()
