"""The explorer itself: that it misses nothing, and that its crashes are crashes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from coordinator.core import pointer
from coordinator.ledger.models import Change
from tests.schedules import cast, scenarios
from tests.schedules.exhaustive import Explorer
from tests.schedules.memory import LATE, LOST, UNANSWERED
from tests.schedules.scenario import CALM, Plan, Scenario
from tests.schedules.scenarios import GOING_WELL, N
from tests.schedules.scheduler import Actor, Choose
from tests.schedules.world import Played, World

#: What each actor did and saw, in its own order.
Histories = frozenset[tuple[str, tuple[tuple[str, str], ...]]]


def advancers(world: World) -> None:
    cast.advancer(world, N)
    cast.advancer(world, N, name="other advancer")
    cast.pointer_eviction(world, N)


def seeder_and_advancer(world: World) -> None:
    def seed() -> None:
        gap = pointer.mark("payment", N)
        standing = world.resource().standing(N)
        if gap is not None:
            pointer.seed(gap, standing)

    world.actor("seeder", seed)
    cast.advancer(world, N)
    cast.pointer_eviction(world, N)


def rung_workers(world: World) -> None:
    cast.rung_worker(world)
    cast.rung_worker(world, name="other worker")
    cast.doubled_message(world)


def with_a_message(world: World) -> None:
    scenarios.warm(world)
    world.broker.messages.append(world.clock.time)


def small(cast: Callable[[World], None], before: Callable[[World], None]) -> Scenario:
    return Scenario(
        cast.__name__, {N: GOING_WELL}, cast, before, strict=False, loads_per_revision=None
    )


SMALL = (
    small(advancers, scenarios.held_up),
    small(seeder_and_advancer, scenarios.held_up),
    small(rung_workers, with_a_message),
)


def told(world: World, scenario: Scenario, choices: Sequence[int]) -> Histories:
    """Return what each actor did and saw in the schedule of these choices."""
    following = iter(choices)

    def choose(able: Sequence[Actor]) -> Actor:
        return world.scheduler.actors[next(following)]

    story = world.play(scenario, choose, tell=True).story
    names = [actor.name for actor in world.scheduler.actors]
    return frozenset(
        (name, tuple((line.what, line.result) for line in story if line.actor == name))
        for name in names
    )


def everything(world: World, scenario: Scenario) -> Iterator[Played]:
    """Yield every schedule there is, without any reduction."""
    path: list[tuple[list[int], int]] = []

    def chooser() -> Choose:
        depth = 0

        def choose(able: Sequence[Actor]) -> Actor:
            nonlocal depth
            if depth == len(path):
                path.append(([actor.index for actor in able], 0))
            options, taken = path[depth]
            depth += 1
            return world.scheduler.actors[options[taken]]

        return choose

    while True:
        yield world.play(scenario, chooser())
        while path and path[-1][1] + 1 == len(path[-1][0]):
            path.pop()
        if not path:
            return
        options, taken = path[-1]
        path[-1] = (options, taken + 1)


@pytest.mark.parametrize("scenario", SMALL, ids=lambda scenario: scenario.name)
def test_the_reduction_loses_nothing_that_anybody_can_see(world: World, scenario: Scenario) -> None:
    explorer = Explorer(world, scenario, CALM)
    reduced = [played.choices for played in explorer.explore()]
    full = [played.choices for played in everything(world, scenario)]
    assert explorer.finished
    assert len(reduced) < len(full)
    assert {told(world, scenario, choices) for choices in reduced} == {
        told(world, scenario, choices) for choices in full
    }


def in_order(able: Sequence[Actor]) -> Actor:
    return able[0]


def test_a_crash_in_a_transaction_leaves_nothing_behind(world: World) -> None:
    scenario = scenarios.BY_NAME["writer-reader"]
    # Its sixth step is the suspension: the row is written by then, and nothing is committed.
    played = world.play(scenario, in_order, Plan(crashes=(("writer", 5),)), tell=True)
    told = [line.what for line in played.story if line.actor == "writer"]
    assert told[-1].startswith("CRASHES before cache.set(pointer")
    assert not played.violations
    assert world.judge.revision_of(N) == 1
    assert world.ledger.raw.execute(
        f'SELECT COUNT(*) FROM "{Change._meta.db_table}"'
    ).fetchone() == (1,)


@pytest.mark.parametrize("step", range(25))
def test_a_dead_process_cleans_nothing_up(world: World, step: int) -> None:
    scenario = scenarios.that_may_crash(scenarios.BY_NAME["cold-readers"])
    played = world.play(scenario, in_order, Plan(crashes=(("reader", step),)), tell=True)
    lines = [line for line in played.story if line.actor == "reader"]
    crashed = [number for number, line in enumerate(lines) if "CRASHES" in line.what]
    assert crashed in ([], [len(lines) - 1]), "it went on after its death"
    assert not played.violations


def test_a_lost_operation_is_not_done_and_an_unanswered_one_is(world: World) -> None:
    scenario = scenarios.BY_NAME["faulty"]
    for fault, done in ((LOST, False), (LATE, False), (UNANSWERED, True)):
        seen: list[object] = []

        def choose(able: Sequence[Actor], seen: list[object] = seen) -> Actor:
            writer = world.scheduler.actors[0]
            if writer.cache_steps == 1 and not seen:
                key = next(key for key, name in world.cache.names.items() if "pointer" in name)
                stored: Any = world.cache._cache[world.cache.make_key(key)]
                seen.append(stored.data)
            return able[0]

        played = world.play(scenario, choose, Plan(faults=(("writer", 0, fault),)))
        assert not played.violations
        assert (b"suspended" in seen[0]) is done  # type: ignore[operator]  # bytes


def test_whoever_wants_the_lock_waits_until_it_is_free(world: World) -> None:
    holders: list[tuple[str | None, tuple[str, ...]]] = []

    def choose(able: Sequence[Actor]) -> Actor:
        holder = world.scheduler.lock_holder
        waiting = tuple(
            actor.name
            for actor in world.scheduler.actors
            if actor.pending is not None and actor.pending.wants_lock
        )
        holders.append((holder.name if holder else None, waiting))
        if holder is not None:
            assert not {actor.name for actor in able} & set(waiting)
        return able[len(holders) % len(able)]

    played = world.play(scenarios.BY_NAME["two-writers"], choose)
    assert not played.violations
    assert ("writer", ("other writer",)) in holders or ("other writer", ("writer",)) in holders
