"""Who can take part in a schedule: writers, readers, workers, and what goes wrong."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from django.db import transaction

from coordinator.celery import tasks
from coordinator.core import cache, keys, pointer
from coordinator.core.read import Lookup, read
from coordinator.errors import CoordinatorError
from coordinator.ledger.recording import Fact, Recording, record_changes
from coordinator.orders.models import Order
from coordinator.payments.models import Payment
from tests.schedules.bell import SENT
from tests.schedules.ledger import ORDERS, PAYMENTS
from tests.schedules.memory import STORE
from tests.schedules.scheduler import Actor, Process
from tests.schedules.steps import NOTHING, Lock, Step
from tests.schedules.world import TIME, World

PROMISES = frozenset({"promises"})

#: What becomes of upstream when its event comes.
BEFORE_ITS_EVENT, HIDDEN, ALREADY = "before its event", "hidden", "already"


# -- who does the work -------------------------------------------------------------------------


def writer(
    world: World,
    number: str,
    *versions: int,
    name: str = "writer",
    upstream: str = BEFORE_ITS_EVENT,
) -> Actor:
    """Add a receiver of webhooks: upstream gets to each version, and the event is recorded."""

    def body() -> None:
        for version in versions:
            if upstream != ALREADY:
                world.upstream.becomes(number, version, shows=upstream == BEFORE_ITS_EVENT)
            record(world, (number, version))

    return world.actor(name, body)


def batch_writer(world: World, *versions: tuple[str, int], name: str = "writer") -> Actor:
    """Add a writer that records several events in one transaction, in the order given."""

    def body() -> None:
        for number, version in versions:
            world.upstream.becomes(number, version, shows=True)
        record(world, *versions)

    return world.actor(name, body)


def joined_writer(
    world: World, number: str, version: int, *, name: str = "writer", commits: bool = True
) -> Actor:
    """Add a request that is one transaction: it records, reads what it wrote, and may roll back."""
    resource = world.resource_of(number)

    def body() -> None:
        world.upstream.becomes(number, version, shows=True)
        with transaction.atomic():
            record_changes([_fact(world, number, version)])
            # Answered with its own change, which the judge, who knows commits, has no word on.
            with suppress(CoordinatorError):
                read(resource, number)
            if not commits:
                transaction.set_rollback(True)
        world.tell(name, "committed" if commits else "rolled back")

    return world.actor(name, body)


def record(world: World, *versions: tuple[str, int]) -> None:
    """Record the events of these versions at once, and promise what follows from them."""
    actor = world.scheduler.current
    assert actor is not None
    returned_before = world.judge.returned
    all_recorded = record_changes([_fact(world, *version) for version in versions])
    told = ", ".join(f"{one.outcome.value}, revision {one.revision}" for one in all_recorded)
    world.tell(actor.name, f"recorded: {told}")
    applied = [one for one in all_recorded if one.outcome is Recording.APPLIED]
    if not applied or world.judge.strict:
        return
    world.scheduler.step(Step("returns", versions[0][0], NOTHING, PROMISES))
    # An advance that the cache took is the end of staleness, unless old data has come back since.
    if actor.cache_failures == actor.failures_at_commit and returned_before == world.judge.returned:
        for one in applied:
            world.judge.promise(one.identifier, one.revision)
            container = world.scenario.shown_in.get(one.identifier)
            if container is not None:
                world.judge.promise(container, actor.containers_at_commit[container])


def _fact(world: World, number: str, version: int) -> Fact:
    if number in world.scenario.orders:
        return Order, world.upstream.order_event(number, version)
    event = world.upstream.event(number, version)
    if world.scenario.carries:
        event = replace(event, carried=world.upstream.carrier(number, version))
    return Payment, event


def reader(
    world: World,
    number: str,
    *,
    name: str = "reader",
    reads: int = 1,
    schema: int = 1,
    together: bool = False,
) -> Actor:
    """Add a request that reads once, or several times with one request tier.

    Those who read `together` are threads of one process.
    """
    resource = world.resource_of(number) if schema == 1 else world.resource(schema)

    def body() -> None:
        for _ in range(reads):
            read_judged(world, number, lambda: read(resource, number), name)

    return world.actor(name, body, world.web if together else None)


def read_judged(world: World, number: str, ask: Callable[[], Lookup], name: str) -> None:
    """Read once, and let the judge say if the answer will do."""
    strict = world.judge.strict
    world.scheduler.step(
        Step(
            "read.begins",
            number,
            frozenset({PAYMENTS, ORDERS}) | (NOTHING if strict else PROMISES) | _everywhere(world),
        )
    )
    expected = world.judge.expect(number, name)
    world.scheduler.note(f"must not be older than revision {expected.revision}")
    answer: Lookup | CoordinatorError
    try:
        answer = ask()
    except CoordinatorError as error:
        answer = error
    world.tell(name, f"got {world.judge.answered(expected, answer)}")


def worker(
    world: World, *, name: str = "worker", rounds: int = 1, every_seconds: float = 0.0
) -> Actor:
    """Add a worker whom the clock wakes, at any moment; so much time passes before each round.

    Time for whoever waits in the log, that is: it says nothing of pointers, which outlast it.
    """

    def body() -> None:
        for _ in range(rounds):
            world.clock.time += every_seconds
            settle(world, name)

    return world.actor(name, body)


def rung_worker(world: World, *, name: str = "worker") -> Actor:
    """Add a worker who is woken by messages, as often as there are any."""

    def body() -> None:
        while True:
            world.broker.receive()
            settle(world, name)

    return world.actor(name, body)


def settle(world: World, name: str) -> None:
    """Run the settling task, with the clean-up around it that Celery's signals give."""
    returned_before = world.judge.returned
    cache.clear_request_tier()
    endings = tasks.settle.run()
    world.tell(name, f"settled: {endings}")
    if world.judge.strict:
        return
    world.scheduler.step(Step("round.ends", "", NOTHING, PROMISES))
    if returned_before == world.judge.returned:
        for number, revision in world.ledger.settled():
            world.judge.promise(number, revision)


def advancer(world: World, number: str, *, name: str = "advancer") -> Actor:
    """Add somebody whose advance comes late, whenever that is."""
    resource = world.resource_of(number)

    def body() -> None:
        pointer.advance(resource.name, number, lambda: resource.standing(number))

    return world.actor(name, body)


# -- what goes wrong ---------------------------------------------------------------------------


def event(
    world: World,
    name: str,
    writes: frozenset[str],
    act: Callable[[], object],
    *,
    lock: Lock = Lock.NONE,
) -> Actor:
    """Add something that happens once, at any moment."""

    def body() -> None:
        world.scheduler.step(Step(name, "", _everywhere(world) - writes, writes, lock))
        act()

    return world.actor(name, body)


def eviction(world: World, key: str, name: str) -> Actor:
    """Add the loss of one key."""

    def act() -> None:
        world.cache.evict(key)
        world.judge.lost()

    return event(world, f"evict {name}", frozenset({world.cache.names[key]}) | PROMISES, act)


def pointer_eviction(world: World, number: str) -> Actor:
    """Add the loss of a pointer."""
    key = keys.pointer_key(world.resource_of(number).name, number)
    return eviction(world, key, "pointer")


def entry_eviction(world: World, number: str, state: str) -> Actor:
    """Add the loss of an entry: no harm, so no promise ends."""
    key = keys.stored_key("payment", number, state)
    return event(
        world, "evict entry", frozenset({world.cache.names[key]}), lambda: world.cache.evict(key)
    )


def wipe(world: World) -> Actor:
    """Add a restart of the cache server."""

    def act() -> None:
        world.cache.wipe()
        world.judge.lost()

    return event(world, "wipe", frozenset({STORE}) | PROMISES, act)


def outage(world: World, processes: Sequence[Process] | None = None) -> Actor:
    """Add a time in which the server answers nobody (or not these); then it has its old data."""

    def body() -> None:
        everybody = {actor.process for actor in world.scheduler.actors}
        these = everybody if processes is None else set(processes)
        world.scheduler.step(Step("cut off", "", _everywhere(world), frozenset({STORE})))
        for process in these:
            process.cut_off = True
        world.scheduler.step(
            Step("back with old data", "", _everywhere(world), frozenset({STORE}) | PROMISES)
        )
        for process in these:
            process.cut_off = False

    return world.actor("outage", body)


def cut_off_writer(world: World) -> Actor:
    """Add a time in which the writers alone can't reach the server."""
    writers = [actor.process for actor in world.scheduler.actors if actor.name.startswith("writer")]
    return outage(world, writers)


def late_arrival(world: World) -> Actor:
    """Add the moment at which whatever is on its way to the cache arrives."""

    def act() -> None:
        arriving, world.cache.on_its_way = world.cache.on_its_way, []
        for operation in arriving:
            operation()
        if arriving:
            world.judge.lost(returned=True)

    return event(world, "late arrival", frozenset({STORE}) | PROMISES, act)


def catching_up(world: World, number: str) -> Actor:
    """Add the moment at which upstream shows what it is."""
    return world.actor("catching up", lambda: world.upstream.shows_all(number))


def passing(world: World, *seconds: float, name: str = "time") -> Actor:
    """Add time that passes, never during a transaction.

    The database ends a transaction that takes longer than its timeouts, which the suspension
    outlives: what is suspended in there can't run out before it ends.
    """

    def body() -> None:
        for some in seconds:
            world.scheduler.step(Step("time passes", f"{some:g} s", NOTHING, TIME, Lock.PASS))
            world.clock.time += some
            world.scheduler.changed("time")

    return world.actor(name, body)


def lost_message(world: World) -> Actor:
    """Add a broker that loses a message."""
    return world.actor("lost message", world.broker.lose)


def doubled_message(world: World) -> Actor:
    """Add a broker that delivers a message twice."""
    return world.actor("doubled message", world.broker.double)


def broker_down(world: World) -> Actor:
    """Add a time in which the broker takes no messages."""

    def body() -> None:
        for down in (True, False):
            world.scheduler.step(
                Step("broker.down" if down else "broker.up", "", _everywhere(world), SENT)
            )
            world.broker.down = down

    return world.actor("broker", body)


def _everywhere(world: World) -> frozenset[str]:
    return TIME if world.scenario.timed else NOTHING
