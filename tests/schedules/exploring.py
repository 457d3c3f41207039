"""Explores for a while, in one process: situations exhaustively in order, random ones between.

Most of the time goes to the first. What is visited exhaustively are the small situations without
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
from tests.schedules.scenario import CALM, EXPIRE, SETTLE, Plan, Scenario
from tests.schedules.scheduler import Actor
from tests.schedules.tally import Failure, Tally
from tests.schedules.world import World

#: Those whose actors crash, and those to which the cache does what it can do wrong.
CRASHING = ("writer-reader", "one-of-each", "declined-twice", "two-workers", "cold-readers")
FAULTY = ("faulty",)
WHO_HAS_TROUBLE = ("writer", "reader", "worker")

#: Turns alternate: what is visited in order is cheaper, and its end can be seen.
_VISIT_SECONDS, _WANDER_SECONDS = 0.6, 0.3
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
        if not scenario.strict:
            yield Job(scenario, Plan(ending=EXPIRE))
    for name in CRASHING:
        yield from _crashes(world, scenarios.BY_NAME[name])
    for name in FAULTY:
        yield from _faults(world, scenarios.BY_NAME[name])


def _crashes(world: World, scenario: Scenario) -> Iterator[Job]:
    crashing = scenarios.that_may_crash(scenario)
    for actor in _one_after_another(world, crashing):
        for number in range(actor.steps):
            yield Job(crashing, Plan(crashes=((actor.name, number),)))


def _faults(world: World, scenario: Scenario) -> Iterator[Job]:
    for actor in _one_after_another(world, scenario):
        for number in range(actor.cache_steps):
            for fault in FAULTS:
                for ending in (EXPIRE, SETTLE):
                    yield Job(scenario, Plan(faults=((actor.name, number, fault),), ending=ending))


def _one_after_another(world: World, scenario: Scenario) -> list[Actor]:
    """Return who may have trouble, after a schedule in which one went after the other."""
    world.play(scenario, lambda able: able[0], everywhere=False)
    return [actor for actor in world.scheduler.actors if actor.name in WHO_HAS_TROUBLE]


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
    began = time.process_time()
    reported = time.monotonic()
    gc.collect()
    gc.freeze()
    gc.disable()
    visiting = _visiting(world, next_job, tally)
    try:
        while time.monotonic() < until:
            turn = min(until, time.monotonic() + _VISIT_SECONDS)
            for _ in visiting:
                if time.monotonic() >= turn:
                    break
            else:
                if not wanders:
                    return tally
            turn = min(until, time.monotonic() + _WANDER_SECONDS)
            while wanders and time.monotonic() < turn:
                _wander(world, next(seeds), tally)
            if time.monotonic() - reported >= 1:
                reported = time.monotonic()
                tally.cpu_seconds = time.process_time() - began
                report(tally)
    finally:
        gc.enable()
        gc.unfreeze()
    tally.cpu_seconds = time.process_time() - began
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
