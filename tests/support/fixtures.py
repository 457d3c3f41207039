"""Fixtures that several folders of tests share: their ``conftest.py`` imports what they use."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from coordinator.core import clock
from coordinator.ledger.signals import changes_recorded, state_changed
from coordinator.settings import caches
from tests.processes import HOST, free_port
from tests.support.clocks import ManualClock
from tests.support.things import Things
from tests.support.upstream import Upstream


@pytest.fixture
def upstream() -> Upstream:
    """Return an upstream that agrees with the ledger until it is told otherwise."""
    return Upstream()


@pytest.fixture
def things(upstream: Upstream) -> Things:
    """Return a resource whose ledger is a dictionary."""
    return Things(upstream)


@pytest.fixture
def manual_clock() -> Iterator[ManualClock]:
    """Put a clock in force that only the test moves."""
    manual = ManualClock()
    before = clock.use(manual)
    yield manual
    clock.use(before)


@pytest.fixture
def no_cache(settings: Settings) -> None:
    """Let the cache be a memcached that is not there."""
    settings.CACHES = caches.memcached(
        [f"{HOST}:{free_port()}"], prefix="nowhere", timeout_seconds=60
    )


@pytest.fixture(autouse=True)
def receivers_as_they_were() -> Iterator[None]:
    """Put back whoever listens to changes."""
    signals = (state_changed, changes_recorded)
    before = [list(signal.receivers) for signal in signals]
    yield
    for signal, receivers in zip(signals, before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()
