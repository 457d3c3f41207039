"""Draws situations and schedules at random: larger ones than can be visited one by one.

One number decides everything: who takes part, what goes wrong, and every switch. A third of the
schedules switch anywhere; the others give each actor a priority that changes a few times, which
finds in few tries what takes few switches in the right places (Burckhardt et al.: "A Randomized
Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010).
"""

import random
from collections.abc import Callable, Sequence

from tests.schedules import cast, scenarios
from tests.schedules.memory import FAULTS
from tests.schedules.scenario import EXPIRE, SETTLE, Plan, Scenario, nothing
from tests.schedules.scheduler import Actor, Choose
from tests.schedules.upstream import History, Version
from tests.schedules.world import Played, World

NUMBERS = ("EDX-1", "EDX-2")

HISTORIES: tuple[History, ...] = (
    scenarios.GOING_WELL,
    scenarios.DECLINED_TWICE,
    # Two in one second: their order can't be told.
    (
        Version("processing", 10),
        Version("succeeded", 20, received=1000),
        Version("succeeded", 20, received=1000, refunded=400),
        Version("succeeded", 30, received=1000, refunded=1000),
    ),
    (
        Version("succeeded", 10, received=1000),
        Version("succeeded", 20, received=1000, dispute="open"),
        Version("succeeded", 20, received=1000, dispute="won"),
    ),
    scenarios.SEVERAL_OBJECTS,
    scenarios.AHEAD,
    # Content changes, and the state does not.
    (
        Version("succeeded", 10, received=1000, refunded=100),
        Version("succeeded", 20, received=1000, refunded=200),
        Version("succeeded", 30, received=1000, refunded=300),
    ),
)
_BEFORE = (scenarios.warm, scenarios.cold, scenarios.no_pointer, scenarios.unsettled, None)

_MOST_STEPS_OF_AN_ACTOR = 40
_MOST_CACHE_STEPS_OF_AN_ACTOR = 16


def play(world: World, seed: int, *, tell: bool = False) -> Played:
    """Play the schedule that `seed` stands for; with a container if it is negative."""
    rng = random.Random(seed)
    scenario, plan = situation(rng, contained=seed < 0)
    return world.play(scenario, chooser(rng), plan, seed=seed, tell=tell)


def chooser(rng: random.Random) -> Choose:
    """Return who picks the next actor."""
    if rng.random() < 1 / 3:
        return rng.choice
    # The numbers of the steps at which the most important actor becomes the least important one.
    changes = {rng.randrange(120) for _ in range(rng.randint(1, 5))}
    priorities: dict[int, float] = {}
    steps = 0

    def choose(able: Sequence[Actor]) -> Actor:
        nonlocal steps
        steps += 1
        for actor in able:
            priorities.setdefault(actor.index, rng.random())
        chosen = max(able, key=lambda actor: priorities[actor.index])
        if steps in changes:
            priorities[chosen.index] = -steps
        return chosen

    return choose


def situation(rng: random.Random, *, contained: bool = False) -> tuple[Scenario, Plan]:
    """Draw who takes part and what goes wrong; with a container in any case if `contained`."""
    loses = rng.random() < 0.35
    timed = not loses and rng.random() < 0.15
    crashing = rng.random() < 0.4
    lagging = rng.random() < 0.2
    shares = rng.random() < 0.2
    contained = rng.random() < 0.3 or contained
    numbers = NUMBERS[: 2 if rng.random() < (0.4 if contained else 0.15) else 1]
    orders = (scenarios.ORDER,) if contained else ()
    history = rng.choice(HISTORIES)
    before = rng.choice(_BEFORE)
    names: list[str] = []
    casting: list[Callable[[World], None]] = []

    def add(name: str | None, who: Callable[[World], None]) -> None:
        """Let somebody take part; whoever has a name may crash, or meet a fault of the cache."""
        casting.append(who)
        if name is not None:
            names.append(name)

    rung = rng.random() < 0.4
    _add_writers(rng, add, numbers, history, created=before is not None, lagging=lagging)
    if contained:
        _add_container_writer(rng, add, numbers, created=before is not None)
    _add_readers(rng, add, (*numbers, *orders, *orders), shares=shares)
    _add_workers(rng, add, rung=rung)
    workers = tuple(names)
    may_fail = crashing
    if loses:
        may_fail |= _add_losses(rng, casting, (*numbers, *orders))
    if timed:
        casting.append(_joining(cast.passing, *(rng.choice((6.0, 16.0, 31.0)) for _ in range(2))))
    if rung and rng.random() < 0.3:
        trouble = rng.choice((cast.lost_message, cast.doubled_message, cast.broker_down))
        casting.append(_joining(trouble))
    plan = Plan(
        _crashes(rng, workers) if crashing else (),
        _faults(rng, workers) if loses and rng.random() < 0.6 else (),
        EXPIRE if rng.random() < 0.3 else SETTLE,
    )

    def everybody(world: World) -> None:
        for join in casting:
            join(world)

    told_apart = len({version.second for version in history}) == len(history)
    # What is dated ahead of our clock is confirmed by one load more.
    told_apart &= history is not scenarios.AHEAD
    counts = not (loses or timed or lagging) and told_apart
    scenario = Scenario(
        "random",
        dict.fromkeys(numbers, history),
        everybody,
        before or nothing,
        strict=not loses,
        loads_per_revision=1 if counts else None,
        shared_processes=shares,
        may_fail=may_fail or bool(plan.faults) or timed or (lagging and before is None),
        timed=timed,
        tells_versions=rng.random() < 0.7,
        carries=rng.random() < 0.5,
        # A lag that outlasts its time is recorded as the truth, and only verifying ends that.
        redelivers=(crashing or rng.random() < 0.2) and not lagging,
        orders=dict.fromkeys(orders, scenarios.ORDERED),
        # A payment that no order shows is in the same transactions at times.
        shown_in={number: one for number in numbers for one in orders if rng.random() < 0.9},
    )
    return scenario, plan


Add = Callable[[str | None, Callable[[World], None]], None]


def _joining(
    who: Callable[..., object], *args: object, **options: object
) -> Callable[[World], None]:
    def join(world: World) -> None:
        who(world, *args, **options)

    return join


def _add_writers(
    rng: random.Random,
    add: Add,
    numbers: Sequence[str],
    history: History,
    *,
    created: bool,
    lagging: bool,
) -> None:
    for number in numbers:
        first = 2 if created else 1
        versions = list(range(first, rng.randint(first, len(history)) + 1))
        if not versions:
            continue
        in_order = rng.random() < 0.6
        if not in_order:
            # Upstream is at the newest already, and its events come as they like, some twice.
            add(None, _joining(_become, number, versions[-1]))
            versions += rng.sample(versions, rng.randint(0, 1))
            rng.shuffle(versions)
        shares = rng.randint(1, min(2, len(versions)))
        how = cast.HIDDEN if lagging else cast.BEFORE_ITS_EVENT
        for share in range(shares):
            name = f"writer {number} {share + 1}"
            add(
                name,
                _joining(
                    cast.writer,
                    number,
                    *versions[share::shares],
                    name=name,
                    upstream=how if in_order else cast.ALREADY,
                ),
            )
        if lagging and rng.random() < 0.8:
            add(None, _joining(cast.catching_up, number))


def _add_container_writer(
    rng: random.Random, add: Add, numbers: Sequence[str], *, created: bool
) -> None:
    """Add who writes the container: its own events, alone or together with a payment's."""
    if not created:
        # Its payments touch it from the moment at which it is there.
        add(
            "writer order",
            _joining(cast.writer, scenarios.ORDER, 1, name="writer order"),
        )
    elif rng.random() < 0.6:
        if rng.random() < 0.5:
            add(
                "writer order",
                _joining(cast.writer, scenarios.ORDER, 2, name="writer order"),
            )
        else:
            both = [(scenarios.ORDER, 2), (numbers[0], 2)]
            rng.shuffle(both)
            add("writer batch", _joining(cast.batch_writer, *both, name="writer batch"))


def _become(world: World, number: str, version: int) -> None:
    world.upstream.newest[number] = world.upstream.shown[number] = version


def _add_readers(rng: random.Random, add: Add, numbers: Sequence[str], *, shares: bool) -> None:
    for count in range(rng.choice((1, 1, 2, 2, 3))):
        name = f"reader {count + 1}"
        number = rng.choice(numbers)
        add(
            name,
            _joining(
                cast.reader,
                number,
                name=name,
                reads=rng.choice((1, 1, 2, 2, 3)),
                schema=2 if rng.random() < 0.1 and number in NUMBERS else 1,
                together=shares,
            ),
        )


def _add_workers(rng: random.Random, add: Add, *, rung: bool) -> None:
    for count in range(rng.choice((0, 0, 1, 1, 1, 2))):
        name = f"worker {count + 1}"
        if rung:
            add(name, _joining(cast.rung_worker, name=name))
        else:
            add(name, _joining(cast.worker, name=name, rounds=rng.choice((1, 1, 2))))


def _add_losses(
    rng: random.Random, casting: list[Callable[[World], None]], numbers: Sequence[str]
) -> bool:
    """Add what the cache loses; return True if reads may fail for it."""
    may_fail = False
    for _ in range(rng.randint(1, 2)):
        match rng.randrange(6):
            case 0 | 1:
                casting.append(_joining(cast.pointer_eviction, rng.choice(numbers)))
            case 2:
                casting.append(_joining(cast.wipe))
            case 3:
                casting.append(_joining(cast.outage))
                may_fail = True
            case 4:
                casting.append(_joining(cast.cut_off_writer))
                may_fail = True
            case _:
                casting.append(_joining(cast.late_arrival))
    return may_fail


def _crashes(rng: random.Random, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    chosen = rng.sample(names, min(len(names), rng.randint(1, 2)))
    return tuple((name, rng.randrange(_MOST_STEPS_OF_AN_ACTOR)) for name in chosen)


def _faults(rng: random.Random, names: Sequence[str]) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (rng.choice(names), rng.randrange(_MOST_CACHE_STEPS_OF_AN_ACTOR), rng.choice(FAULTS))
        for _ in range(rng.randint(1, 2))
    )
