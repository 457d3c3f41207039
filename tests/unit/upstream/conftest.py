"""What the tests of the way upstream have in common."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from coordinator.upstream import UpstreamClient, breaker, budget, client_for, events
from tests.unit.upstream.misbehaving import Upstream, running


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Forget the budgets and breakers of other tests: a port may be given out twice."""
    for cached in (breaker._breakers, budget._budgets, client_for):
        cached.cache_clear()
    yield
    for cached in (breaker._breakers, budget._budgets, client_for):
        cached.cache_clear()


@pytest.fixture
def happened() -> Iterator[list[events.UpstreamEvent]]:
    """Yield the list of the events that happen."""
    seen: list[events.UpstreamEvent] = []
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


@pytest.fixture
def calls(settings: Settings) -> Settings:
    """Bound each call generously; tests of a bound set their own."""
    settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS = 20
    settings.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS = 20
    settings.COORDINATOR_UPSTREAM_RETRIES = 2
    settings.COORDINATOR_BREAKER_FAILURES = 100
    return settings


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield an upstream that answers properly unless it is told otherwise."""
    with running() as server:
        yield server


@pytest.fixture
def client(upstream: Upstream, calls: Settings) -> Iterator[UpstreamClient]:
    """Yield a client for `upstream`."""
    client = UpstreamClient(upstream.url)
    yield client
    client.close()


def finished(happened: list[events.UpstreamEvent]) -> list[events.RequestFinished]:
    """Return what was told of whole calls."""
    return [event for event in happened if isinstance(event, events.RequestFinished)]
