"""Prints schedules so that they can be read, and names them so that they can be played again."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from tests.schedules import scenarios, wandering
from tests.schedules.scenario import Plan, Scenario
from tests.schedules.scheduler import Actor, Choose
from tests.schedules.world import Played, World

_RANDOM = "random"


def random_name(seed: int) -> str:
    """Return the name of the random schedule that `seed` stands for."""
    return f"{_RANDOM}:{seed}"


def name_of(scenario: Scenario, plan: Plan, choices: Iterable[int]) -> str:
    """Return the name of one schedule: its situation, its plan, and who was chosen how often."""
    runs = (f"{who}x{len(list(run))}" for who, run in itertools.groupby(choices))
    return f"{scenario.name}:{plan}:{'.'.join(runs)}"


def replay(world: World, name: str) -> Played:
    """Play the schedule of this name again, with its story; raise ValueError if it names none."""
    kind, _, rest = name.partition(":")
    if kind == _RANDOM:
        return wandering.play(world, int(rest), tell=True)
    plan, _, choices = rest.partition(":")
    if kind not in scenarios.BY_NAME or not choices:
        raise ValueError(f"{name!r} names no schedule: it takes random:SEED or what was printed")
    following = _following(_choices(choices), world)
    return world.play(scenarios.BY_NAME[kind], following, Plan.parse(plan), tell=True)


def _choices(text: str) -> Iterator[int]:
    for run in text.split("."):
        who, _, times = run.partition("x")
        yield from itertools.repeat(int(who), int(times))


def _following(choices: Iterator[int], world: World) -> Choose:
    def choose(able: Sequence[Actor]) -> Actor | None:
        chosen = next(choices, None)
        return None if chosen is None else world.scheduler.actors[chosen]

    return choose


def story(name: str, played: Played) -> str:
    """Return the schedule as a sequence of steps, one on a line, and what was wrong about it."""
    width = max((len(line.actor) for line in played.story), default=0)
    lines = [f"Schedule {name}"]
    for number, line in enumerate(played.story, 1):
        result = f"  -> {line.result}" if line.result else ""
        lines.append(f"{number:4} {line.actor:<{width}}  {line.what}{result}")
    lines += [f"VIOLATION  {violation}" for violation in played.violations]
    return "\n".join(lines)
