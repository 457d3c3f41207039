"""``python -m tests.schedules``: explores schedules for a while; `make schedules` runs it."""

import argparse
import os
import random
import sys
import time

from tests.schedules import processes
from tests.schedules.tally import Total

#: Every schedule of a broken rule that is tried before it counts as not caught.
_MOST_PER_BREACH = 20_000
_MOST_STORIES = 4


def main() -> int:
    """Explore as the options say; return 1 if a promise was broken, or a broken rule not caught."""
    options = _options()
    if options.replay:
        return _replay(options.replay)
    if options.broken:
        return _break_rules(options.seed)
    print(f"seed {options.seed}, {options.processes} processes, {options.seconds:g} seconds")
    total = processes.explore_together(
        options.seconds,
        options.seed,
        options.processes,
        _progress(options.seconds),
        wanders=not options.exhaustive,
    )
    _tell(total)
    print(f"explored {total.explored} schedules, {len(total.failures)} violations")
    return 1 if len(total.failures) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make schedules ARGS=...",
        description="Explore interleavings of the real functions, and judge each one.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (60)")
    parser.add_argument("--seed", type=int, help="where the random ones begin (drawn, and printed)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many (one a core)"
    )
    parser.add_argument("--exhaustive", action="store_true", help="no random ones in between")
    parser.add_argument("--broken", action="store_true", help="break each rule, and be caught")
    parser.add_argument("--replay", metavar="NAME", help="play the schedule of this name again")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000) * 1_000
    return options


def _progress(seconds: float):  # type: ignore[no-untyped-def]  # a callback of Total
    started = last = time.monotonic()

    def progress(total: Total) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 5:
            last = now
            print(
                f"{now - started:4.0f} s  {total.explored:7,} schedules  "
                f"{len(total.finished):4} situations visited to the end  "
                f"{len(total.failures)} violations",
                flush=True,
            )

    return progress


def _tell(total: Total) -> None:
    for failure in total.failures[:_MOST_STORIES]:
        print(f"\n{failure.story}\nAgain: make schedules ARGS='--replay {failure.name}'\n")
    for situation, count in total.finished.items():
        print(f"  visited to the end: {situation} ({count} schedules)")
    rate = total.explored / total.cpu_seconds if total.cpu_seconds else 0.0
    print(
        f"{total.wandered} of the schedules were random; "
        f"{rate:.0f} schedules for each second of a processor"
    )


def _replay(name: str) -> int:
    processes.set_up()
    from tests.schedules import telling
    from tests.schedules.world import World

    world = World()
    try:
        with world.installed():
            played = telling.replay(world, name)
    finally:
        world.close()
    print(telling.story(name, played))
    return 1 if played.violations else 0


def _break_rules(seed: int) -> int:
    processes.set_up()
    from tests.schedules import broken
    from tests.schedules.world import World

    print(f"seed {seed}")
    print(f"{'the rule that is broken':42} {'caught after':>12}  guarantee")
    caught = 0
    world = World()
    try:
        with world.installed():
            for breach in broken.BREACHES:
                found = broken.catch(world, breach, _MOST_PER_BREACH, seed)
                caught += found.played is not None
                guarantee = found.played.violations[0].guarantee if found.played else "NOT CAUGHT"
                print(f"{breach.name:42} {found.after:12,}  {guarantee}", flush=True)
    finally:
        world.close()
    print(f"caught {caught} of {len(broken.BREACHES)} broken rules")
    return 0 if caught == len(broken.BREACHES) else 1


if __name__ == "__main__":
    sys.exit(main())
