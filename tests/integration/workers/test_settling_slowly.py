"""Under an upstream so slow that a page takes longer than its claim, everybody has his turn."""

import pytest
from pytest_django import Settings

from coordinator.core import clock
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.ledger import queue
from coordinator.ledger.recording import Recorded
from tests.support.clocks import ManualClock
from tests.support.payments import change, record
from tests.support.settling import due_now, settle
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")

#: Half a claim is 30 seconds: six loads of these.
LOAD_SECONDS = 5.0
ROUNDS = 12


@pytest.fixture(autouse=True)
def slow(
    payments: Resource, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let each load take its time, on a clock that nothing else moves, one after the other."""
    settings.COORDINATOR_LOAD_CONCURRENCY = 1
    settings.COORDINATOR_CLAIM_SECONDS = 60
    slowly = ManualClock()
    monkeypatch.setattr(clock, "_clock", slowly)
    answer = upstream._answer

    def take_time(identifier: str, standing: Standing) -> Loaded:
        slowly.moved += LOAD_SECONDS
        return answer(identifier, standing)

    monkeypatch.setattr(upstream, "_answer", take_time)


def rounds_until_settled(recorded: Recorded) -> int:
    """Settle round after round, with new payments in each; return how many it took."""
    for number in range(ROUNDS):
        for other in range(8):
            record("processing", at=1, number=f"EDX-{number}-{other}")
        due_now()
        settle()
        if change(recorded).outcome:
            return number + 1
    raise AssertionError(f"after {ROUNDS} rounds: {change(recorded).reason!r}")


def test_a_change_whose_order_is_to_be_confirmed_has_its_turn() -> None:
    record("processing", at=1, number="EDX-C")
    tied = record("succeeded", at=1, number="EDX-C")
    assert change(tied).confirm
    assert rounds_until_settled(tied) <= 2


def test_a_change_over_which_workers_died_has_its_turn() -> None:
    suspect = record("processing", at=1, number="EDX-S")
    for _ in range(3):
        due_now()
        queue.claim(10, 60)
    assert rounds_until_settled(suspect) == 1
