"""What the core's tests read and warm: things, whose ledger is a dictionary."""

import time
from collections.abc import Callable, Iterator

import pytest

from coordinator.core import events
from tests.support.fixtures import manual_clock, no_cache, things, upstream

__all__ = ["manual_clock", "no_cache", "things", "upstream"]


@pytest.fixture
def told() -> Iterator[list[events.CoreEvent]]:
    """Return the list that every event is appended to."""
    heard: list[events.CoreEvent] = []
    unsubscribe = events.subscribe(heard.append)
    yield heard
    unsubscribe()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that makes LocMemCache believe that so many seconds have passed."""

    def passing(seconds: float) -> None:
        real = time.time()
        monkeypatch.setattr("time.time", lambda: real + seconds)

    return passing
