from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from tools.chaos.faults import Fault
from tools.chaos.names import Name
from tools.chaos.rounds import Rounds, Tally
from tools.chaos.site import NotInjected, Site


class FakeSite:
    """A site whose time passes at once, and which recovers from a fault after `recovers` s."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, recovers: float = 1.0) -> None:
        self.now = 0.0
        self.recovers = recovers
        self.rng = random.Random(1)
        self.watch = self
        self.every_seconds = 0.2
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def recovered_after(self, gone_at: float) -> float | None:
        return self.recovers if self.now >= gone_at + self.recovers else None


def rounds(site: FakeSite, *happenings: Callable[[Site], None]) -> Rounds:
    faults = [Fault(name, happen) for name, happen in zip(Name, happenings, strict=False)]
    return Rounds(cast(Site, site), faults, lambda _: None)


def takes(seconds: float) -> Callable[[Any], None]:
    return lambda site: site.wait(seconds)


def no_occasion(_: Any) -> None:
    raise NotInjected("nothing to break")


def test_each_fault_waits_until_the_one_before_was_recovered_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = FakeSite(monkeypatch, recovers=3.0)
    made = rounds(site, takes(1), takes(1))
    made.go_on(40)
    made.recover()

    tallies = list(made.tallies.values())
    # One second of fault and three of recovery each: ten rounds' worth, in turns.
    assert sum(tally.injected for tally in tallies) == pytest.approx(10, abs=1)
    assert abs(tallies[0].injected - tallies[1].injected) <= 1
    assert {tally.seconds_to_recover for tally in tallies} == {3.0}


def test_one_that_is_not_recovered_from_in_its_share_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = FakeSite(monkeypatch, recovers=1000.0)
    made = rounds(site, takes(1), takes(1))
    made.go_on(24)

    assert [tally.injected for tally in made.tallies.values()] == [1, 1]
    assert [tally.seconds_to_recover for tally in made.tallies.values()] == [None, None]


def test_the_end_waits_for_what_is_still_recovering(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite(monkeypatch, recovers=20.0)
    made = rounds(site, takes(1))
    made.go_on(6)
    made.recover()

    [tally] = made.tallies.values()
    assert tally.seconds_to_recover == 20.0


def test_one_without_occasion_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rounds(FakeSite(monkeypatch), no_occasion)
    made.go_on(5)

    [tally] = made.tallies.values()
    assert tally.injected == 0
    assert tally.seconds_to_recover is None


def test_the_longest_recovery_is_told() -> None:
    tally = Tally(Fault(Name.BEAT_KILLED, takes(0)), injected=3, recovered_after=[1.0, 4.0, 2.0])

    assert tally.seconds_to_recover == 4.0
