import pytest

from coordinator.ledger.queue import Backlog
from tools.chaos.judge import Judge, Lately
from tools.chaos.watch import Watch


class World:
    """What the watch looks at, as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.oldest = 0.1
        self.lately = Lately(50, 0.9, 0)
        self.all_run = True
        judge = Judge(lambda number: "")
        monkeypatch.setattr(judge, "lately", lambda: self.lately)
        self.watch = Watch(
            judge,
            lambda: self.all_run,
            backlog=lambda: Backlog(1, self.oldest),
            clock=lambda: self.now,
        )

    def go_on(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.watch.look()
            self.now += 0.25


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_all_that_is_usual_for_a_while_has_been_usual_all_the_time(world: World) -> None:
    assert world.watch.recovered_after(world.now) is None
    gone_at = world.now
    world.go_on(4)

    assert world.watch.recovered_after(gone_at) == 0


@pytest.mark.parametrize("what", ["old changes", "misses", "turned away", "a program is gone"])
def test_recovery_is_told_from_when_the_cause_was_gone_to_the_last_trouble(
    world: World, what: str
) -> None:
    gone_at = world.now
    match what:
        case "old changes":
            world.oldest = 9.0
        case "misses":
            world.lately = Lately(50, 0.2, 0)
        case "turned away":
            world.lately = Lately(50, 0.9, 3)
        case _:
            world.all_run = False
    world.go_on(5)
    assert world.watch.recovered_after(gone_at) is None
    world.oldest, world.lately, world.all_run = 0.1, Lately(50, 0.9, 0), True
    world.go_on(1)
    assert world.watch.recovered_after(gone_at) is None
    world.go_on(4)

    assert world.watch.recovered_after(gone_at) == pytest.approx(4.75)


def test_what_was_usual_in_the_calm_is_no_trouble_later(world: World) -> None:
    world.oldest, world.lately = 3.0, Lately(50, 0.4, 0)
    world.watch.learn(learning=True)
    world.go_on(2)
    world.watch.learn(learning=False)
    world.oldest, world.lately = 5.0, Lately(50, 0.3, 0)
    gone_at = world.now
    world.go_on(4)

    assert world.watch.recovered_after(gone_at) == 0


def test_few_reads_say_nothing_of_the_hit_ratio(world: World) -> None:
    world.lately = Lately(3, 0.0, 0)
    gone_at = world.now
    world.go_on(4)

    assert world.watch.recovered_after(gone_at) == 0
