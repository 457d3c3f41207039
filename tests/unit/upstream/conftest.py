"""What the tests of the way upstream have in common."""

from collections.abc import Iterator

import pytest

from coordinator.upstream import breaker, budget, client, events


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Forget the budgets and breakers of other tests: a port may be given out twice."""
    for cached in (breaker._breakers, budget._budgets, client.client_for):
        cached.cache_clear()
    yield
    for cached in (breaker._breakers, budget._budgets, client.client_for):
        cached.cache_clear()


@pytest.fixture
def happened() -> Iterator[list[events.Event]]:
    """Yield the list of the events that happen."""
    seen: list[events.Event] = []
    unsubscribe = events.subscribe(seen.append)
    yield seen
    unsubscribe()


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """Return a clock that moves when it is told to."""
    return Clock()
