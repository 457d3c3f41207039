"""Payments in a real ledger, loaded from a stand-in for upstream, for what operators do by hand."""

from collections.abc import Iterator

import pytest

from coordinator.core import cache, switches
from coordinator.core.resource import Resource
from tests.support.fixtures import manual_clock, no_cache, receivers_as_they_were, upstream
from tests.support.payments import payments_from
from tests.support.upstream import Upstream

__all__ = ["manual_clock", "no_cache", "receivers_as_they_were", "upstream"]


@pytest.fixture(autouse=True)
def payments(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resource]:
    """Let payments be loaded from `upstream`."""
    with payments_from(upstream, monkeypatch) as of:
        yield of


@pytest.fixture(autouse=True)
def shared_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands take this process's memory for what all share: here nobody else runs."""
    monkeypatch.setattr(cache, "is_shared", lambda: True)


@pytest.fixture(autouse=True)
def switches_as_they_were() -> Iterator[None]:
    """Let each test ask anew how the switches are thrown."""
    switches.forget()
    yield
    switches.forget()
