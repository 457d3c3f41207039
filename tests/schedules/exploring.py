"""Explores for a while, in one process: situations exhaustively in order, random ones between.

Half of the time goes to each. What is visited exhaustively are the small situations without
trouble, then with a crash of every actor before every one of its steps, then with every fault of
the cache at every one of its operations.
"""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.schedules import scenarios, telling, wandering
from tests.schedules.exhaustive import Explorer
from tests.schedules.memory import FAULTS
from tests.schedules.scenario import CALM, EXPIRE, Plan, Scenario
from tests.schedules.tally import Failure, Tally
from tests.schedules.world import World

#: Those whose actors crash, and those to which the cache does what it can do wrong.
CRASHING = (
    *("writer-reader", "one-of-each", "declined-twice", "two-workers", "cold-readers"),
    *("container", "container-worker"),
)
FAULTY = ("faulty",)
WHO_CRASHES = ("writer", "reader", "worker")

_TURN_SECONDS = 0.5
#: Garbage is collected between schedules, when there is some: never in the middle of one.
_COLLECT_EVERY = 200


@dataclass(frozen=True, slots=True)
class Job:
    """One situation under one plan, to be visited exhaustively."""

    scenario: Scenario
    plan: Plan

    def __str__(self) -> str:
        return self.scenario.name if self.plan == CALM else f"{self.scenario.name}:{self.plan}"


def jobs(world: World) -> Iterator[Job]:
    """Yield what there is to visit, the small before the large."""
    for scenario in scenarios.SMALL:
        yield Job(scenario, CALM)
    for name in CRASHING:
        yield from _crashes(world, scenarios.BY_NAME[name])
    for name in FAULTY:
        yield from _faults(world, scenarios.BY_NAME[name])


def _crashes(world: World, scenario: Scenario) -> Iterator[Job]:
    crashing = scenarios.that_may_crash(scenario)
    for name, steps in _steps_of(world, crashing).items():
        for number, local in enumerate(steps):
            # Before a step that nobody can notice, it is as if it died before the next one.
            if not local:
                yield Job(crashing, Plan(crashes=((name, number),)))


def _faults(world: World, scenario: Scenario) -> Iterator[Job]:
    world.play(scenario, lambda able: able[0])
    counts = {
        actor.name: actor.cache_steps
        for actor in world.scheduler.actors
        if actor.name in WHO_CRASHES
    }
    for name, count in counts.items():
        for number in range(count):
            for fault in FAULTS:
                for ending in (EXPIRE, CALM.ending):
                    yield Job(scenario, Plan(faults=((name, number, fault),), ending=ending))


def _steps_of(world: World, scenario: Scenario) -> dict[str, list[bool]]:
    """Return for each actor which of its steps nobody notices, when one goes after another."""
    steps: dict[str, list[bool]] = {}

    def choose(able):  # type: ignore[no-untyped-def]  # a Choose
        chosen = able[0]
        if chosen.name in WHO_CRASHES:
            steps.setdefault(chosen.name, []).append(chosen.pending.local)
        return chosen

    world.play(scenario, choose)
    return steps


def explore(
    world: World,
    seeds: Iterator[int],
    next_job: Callable[[], Job | None],
    until: float,
    report: Callable[[Tally], None],
    *,
    wanders: bool = True,
) -> Tally:
    """Explore until `until` (``time.monotonic``), reporting about every second."""
    tally = Tally()
    reported = time.monotonic()
    gc.collect()
    gc.freeze()
    gc.disable()
    visiting = _visiting(world, next_job, tally)
    try:
        while time.monotonic() < until:
            turn = min(until, time.monotonic() + _TURN_SECONDS)
            for _ in visiting:
                if time.monotonic() >= turn:
                    break
            else:
                if not wanders:
                    return tally
            turn = min(until, time.monotonic() + _TURN_SECONDS)
            while wanders and time.monotonic() < turn:
                _wander(world, next(seeds), tally)
            if time.monotonic() - reported >= 1:
                reported = time.monotonic()
                tally.cpu_seconds = time.process_time()
                report(tally)
    finally:
        gc.enable()
        gc.unfreeze()
    tally.cpu_seconds = time.process_time()
    return tally


def _visiting(world: World, next_job: Callable[[], Job | None], tally: Tally) -> Iterator[None]:
    while (job := next_job()) is not None:
        explorer = Explorer(world, job.scenario, job.plan)
        for played in explorer.explore():
            tally.visited += 1
            if played.violations:
                name = telling.name_of(job.scenario, job.plan, played.choices)
                _take_down(world, name, tally)
                # One schedule of a situation says what is wrong; the next thousand say the same.
                break
            _collect(tally)
            yield
        else:
            tally.finished[str(job)] = explorer.visited


def _wander(world: World, seed: int, tally: Tally) -> None:
    played = wandering.play(world, seed)
    tally.wandered += 1
    if played.violations:
        _take_down(world, telling.random_name(seed), tally)
    _collect(tally)


def _take_down(world: World, name: str, tally: Tally) -> None:
    played = telling.replay(world, name)
    guarantee = played.violations[0].guarantee if played.violations else "not reproduced"
    tally.failures.append(Failure(name, guarantee, telling.story(name, played)))


def _collect(tally: Tally) -> None:
    if (tally.visited + tally.wandered) % _COLLECT_EVERY == 0:
        gc.collect()
