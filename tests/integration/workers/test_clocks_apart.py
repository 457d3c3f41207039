"""Machines whose clocks differ: a suspension that has ended by one clock holds by another."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event

import pytest

from coordinator.core import cache, clock, pointer
from coordinator.core.pointer import Suspended
from coordinator.core.read import read
from coordinator.core.resource import Resource, Standing
from coordinator.ledger import after_commit
from tests.support.payments import payment, record
from tests.support.settling import settle
from tests.support.upstream import OWNER

pytestmark = pytest.mark.usefixtures("sqlite_ledger", "each_cache")

#: Longer than a suspension lasts.
AHEAD_SECONDS = 65.0


class AnotherMachines:
    """The clock of a machine that is ahead."""

    def now(self) -> float:
        return time.time() + AHEAD_SECONDS

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, until: Event | None = None) -> None:
        (until or Event()).wait(seconds)


@contextmanager
def ahead() -> Iterator[None]:
    """Be on the machine that is ahead."""
    before = clock.use(AnotherMachines())
    try:
        yield
    finally:
        clock.use(before)


def current() -> pointer.Pointer | None:
    return pointer.look("payment", ["EDX-1"]).get("EDX-1")


def test_a_reader_that_is_ahead_leaves_a_suspension_alone(payments: Resource) -> None:
    record("processing", at=1)
    assert pointer.suspend("payment", "EDX-1", 2)
    with ahead():
        assert read(payments, "EDX-1").entry is not None
    assert current() == Suspended(2)


@pytest.mark.usefixtures("payments")
def test_a_worker_that_is_ahead_leaves_a_suspension_alone() -> None:
    record("processing", at=1)
    assert pointer.suspend("payment", "EDX-1", 2)
    with ahead():
        settle()
    assert current() == Suspended(2)


class Died(BaseException):
    """The writer's process ends here."""


def test_nobody_reads_the_past_because_a_reader_was_ahead(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("processing", at=1)
    settle()
    suspend = pointer.suspend_many

    def suspend_and_be_read(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        acknowledged = suspend(revisions)
        with ahead():
            # Between the suspension and the commit: the ledger still says the past.
            gap = pointer.mark("payment", "EDX-1")
            if gap is not None:
                pointer.seed(gap, Standing("processing", 1, OWNER, "pi_EDX-1"))
        return acknowledged

    def die(*_: object) -> None:
        raise Died

    monkeypatch.setattr(pointer, "suspend_many", suspend_and_be_read)
    monkeypatch.setattr(after_commit, "advance", die)
    with pytest.raises(Died):
        record("succeeded", at=2)
    assert payment().revision == 2
    cache.clear_request_tier()
    entry = read(payments, "EDX-1").entry
    assert entry is not None
    assert entry.revision == 2
