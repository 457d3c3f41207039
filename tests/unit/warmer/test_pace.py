"""Many things at the pace of the budget: what is refused for now is waited for, within the time."""

from collections.abc import Mapping
from typing import Any

import pytest

from coordinator.core import clock
from coordinator.core.fill import Warmed, WarmOutcome
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError
from coordinator.warmer import pace
from tests.support.clocks import ManualClock


class NoBudget(CoordinatorError):
    """The budget is spent."""

    burns_attempt = False


class Budget:
    """Stands for `warm.keep_warm`: warms `per_round` of what it is given, and refuses the rest."""

    def __init__(self, per_round: int) -> None:
        self.per_round = per_round
        self.rounds: list[list[str]] = []

    def keep_warm(
        self, of: Resource, standings: Mapping[str, Standing], **_: Any
    ) -> dict[str, Warmed]:
        self.rounds.append(list(standings))
        refusal = Warmed(WarmOutcome.FAILED, error=NoBudget(retry_after_seconds=5))
        return {
            name: Warmed(WarmOutcome.WARMED) if nth < self.per_round else refusal
            for nth, name in enumerate(standings)
        }


def load(identifier: str, standing: Standing) -> Loaded:
    raise AssertionError("nothing is loaded here")


STANDINGS = {name: Standing("open", 1, "42", f"up_{name}") for name in "abc"}
THING = Resource(
    name="thing",
    states=frozenset({"open"}),
    load=load,
    standings=lambda names: {name: STANDINGS[name] for name in names},
)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    by_hand = ManualClock()
    monkeypatch.setattr(clock, "_clock", by_hand)
    return by_hand


def warm(
    monkeypatch: pytest.MonkeyPatch, budget: Budget, *, until: float
) -> pace.WarmedWithinBudget:
    monkeypatch.setattr(pace, "keep_warm", budget.keep_warm)
    return pace.warm_within_budget(THING, STANDINGS, cause="beat", until=until)


def test_what_the_budget_refuses_is_tried_again_after_the_pause_that_it_names(
    monkeypatch: pytest.MonkeyPatch, time: ManualClock
) -> None:
    budget = Budget(per_round=1)

    done = warm(monkeypatch, budget, until=100)

    assert budget.rounds == [["a", "b", "c"], ["b", "c"], ["c"]]
    assert time.waits == [5, 5]
    assert done.all_tried
    assert all(one.outcome is WarmOutcome.WARMED for one in done.warmed.values())


def test_it_does_not_wait_past_its_time(monkeypatch: pytest.MonkeyPatch, time: ManualClock) -> None:
    done = warm(monkeypatch, Budget(per_round=1), until=5)

    assert time.waits == []
    assert not done.all_tried
    assert done.warmed["a"].outcome is WarmOutcome.WARMED


def test_a_failure_of_the_thing_itself_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, time: ManualClock
) -> None:
    def fails(of: Resource, standings: Mapping[str, Standing], **_: Any) -> dict[str, Warmed]:
        error = CoordinatorError(retry_after_seconds=5)
        return {name: Warmed(WarmOutcome.FAILED, error=error) for name in standings}

    monkeypatch.setattr(pace, "keep_warm", fails)

    assert pace.warm_within_budget(THING, STANDINGS, cause="beat", until=100).all_tried
    assert time.waits == []
