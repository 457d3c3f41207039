"""Fixtures for tests of the ledger on real databases."""

from collections.abc import Iterator
from typing import Any

import pytest

from coordinator.ledger.signals import state_changed
from tests.support.fixtures import no_cache, receivers_as_they_were

__all__ = ["no_cache", "receivers_as_they_were"]


@pytest.fixture
def rung() -> Iterator[list[dict[str, Any]]]:
    """Return the list of what `state_changed` was sent with."""
    heard: list[dict[str, Any]] = []

    def hear(**said: Any) -> None:
        heard.append(said)

    state_changed.connect(hear, weak=False)
    yield heard
    state_changed.disconnect(hear)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def each_ledger(request: pytest.FixtureRequest) -> str:
    """Run the test once on each database that may be a ledger, with real commits; return which."""
    name: str = request.param
    request.getfixturevalue(f"{name}_ledger")
    return name
