"""Shares the exploring among processes, one a core, and puts together what they found."""

import itertools
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from typing import TYPE_CHECKING

from tests.schedules.tally import Tally, Total

if TYPE_CHECKING:
    from tests.schedules.exploring import Job

_START_SECONDS = 60.0
_END_SECONDS = 60.0


def set_up() -> None:
    """Make Django ready in this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django  # the settings come first

    django.setup()


def explore_together(
    seconds: float,
    seed: int,
    count: int,
    progress: Callable[[Total], None],
    *,
    wanders: bool = True,
) -> Total:
    """Explore for `seconds` in `count` processes; return what was found."""
    context = multiprocessing.get_context("spawn")
    tallies: Queue[tuple[int, Tally, bool]] = context.Queue()
    # Each takes the next of the jobs, whose order is the same everywhere.
    turn = context.Value("l", 0)
    processes = [
        context.Process(
            target=_explore,
            args=(number, count, seconds, seed, wanders, turn, tallies),
            daemon=True,
        )
        for number in range(count)
    ]
    for process in processes:
        process.start()
    total = Total()
    running = set(range(count))
    give_up_at = time.monotonic() + seconds + _START_SECONDS + _END_SECONDS
    while running:
        try:
            number, tally, last = tallies.get(timeout=1)
        except queue.Empty:
            gone = [number for number in running if not processes[number].is_alive()]
            if gone or time.monotonic() > give_up_at:
                for process in processes:
                    process.terminate()
                raise RuntimeError(f"exploring processes ended without a word: {gone}") from None
            continue
        total.tallies[number] = tally
        if last:
            running.discard(number)
        progress(total)
    for process in processes:
        process.join()
    return total


def _explore(  # type: ignore[no-untyped-def]  # multiprocessing's shared value has no public type
    number: int,
    count: int,
    seconds: float,
    seed: int,
    wanders: bool,
    turn,
    tallies: "Queue[tuple[int, Tally, bool]]",
) -> None:
    set_up()
    from tests.schedules.exploring import explore, jobs
    from tests.schedules.world import World

    world = World()
    try:
        with world.installed():
            tally = explore(
                world,
                itertools.count(seed + number, count),
                _taking_turns(jobs(world), turn),
                time.monotonic() + seconds,
                lambda so_far: tallies.put((number, so_far, False)),
                wanders=wanders,
            )
    finally:
        world.close()
    tallies.put((number, tally, True))


def _taking_turns(all_jobs: "Iterator[Job]", turn) -> "Callable[[], Job | None]":  # type: ignore[no-untyped-def]  # as above
    position = 0

    def next_job() -> "Job | None":
        nonlocal position
        with turn.get_lock():
            mine = turn.value
            turn.value += 1
        job = next(itertools.islice(all_jobs, mine - position, None), None)
        position = mine + 1
        return job

    return next_job
