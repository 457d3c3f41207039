"""Keeps a process at its pace until it is told to end."""

import signal
import time
from collections.abc import Iterator

_MOST_BEHIND_SECONDS = 1.0


def hold_signals() -> None:
    """Keep SIGTERM for the thread that waits for it. Call it before any thread is started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def told_to_end(within_seconds: float) -> bool:
    """Return True as soon as SIGTERM has come, False if it does not come in time."""
    return signal.sigtimedwait({signal.SIGTERM}, max(0.0, within_seconds)) is not None


def paces(rate: float) -> Iterator[float]:
    """Yield so many times a second how many seconds to wait before the next turn.

    A process that was held up catches up for a second at the most: a stall must not become a burst.
    """
    due = time.monotonic()
    while True:
        now = time.monotonic()
        yield max(0.0, due - now)
        due = max(due + 1 / rate, now - _MOST_BEHIND_SECONDS)
