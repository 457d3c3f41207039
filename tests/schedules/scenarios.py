"""The situations: small ones, which are explored exhaustively."""

from dataclasses import replace
from typing import Any

from coordinator.core import pointer
from tests.schedules import cast
from tests.schedules.scenario import Scenario
from tests.schedules.upstream import OrderVersion, Version
from tests.schedules.world import World

N = "EDX-1"
M = "EDX-2"
#: An order that shows both.
ORDER = "ORD-1"

GOING_WELL = (
    Version("processing", 10),
    Version("succeeded", 20, received=1000),
    Version("succeeded", 30, received=1000, refunded=1000),
)
DECLINED_TWICE = (
    Version("requires_payment_method", 10),
    Version("processing", 20),
    Version("requires_payment_method", 30),
    Version("succeeded", 40, received=1000),
)


def unsettled(world: World) -> None:
    """Have the payments recorded, and nobody has warmed them yet."""
    for number in (*world.scenario.orders, *world.scenario.histories):
        world.upstream.becomes(number, 1, shows=True)
        cast.record(world, (number, 1))
    world.broker.messages.clear()


def warm(world: World) -> None:
    """Have the payments' first versions recorded, warm and settled."""
    unsettled(world)
    cast.settle(world, "before")


def cold(world: World) -> None:
    """Have them settled long ago: the cache knows nothing of them any more."""
    warm(world)
    world.cache.wipe()


def no_pointer(world: World) -> None:
    """Have the entries, and no pointers: nobody has read for a while."""
    warm(world)
    world.clock.time += 31.0


def held_up(world: World) -> None:
    """Have them warm, but their pointers suspended: nobody has advanced them yet."""
    warm(world)
    for number in world.scenario.histories:
        pointer.suspend("payment", number, 1)


# -- who does what -----------------------------------------------------------------------------


def writer_and_reader(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N, reads=2)


def one_of_each(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.worker(world)


def creation(world: World) -> None:
    cast.writer(world, N, 1)
    cast.reader(world, N, reads=2)
    cast.worker(world)


def two_writers(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    # The first read stores what the second one must not be served for long.
    cast.reader(world, N, reads=2)


def two_writers_read_once(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)


def two_writers_and_a_worker(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)
    cast.worker(world)


def twice_the_same_state(world: World) -> None:
    cast.writer(world, N, 2, 3)
    cast.reader(world, N)
    cast.worker(world)


def cold_readers(world: World) -> None:
    cast.reader(world, N)
    cast.reader(world, N, name="other reader")
    cast.worker(world)


def cold_readers_and_a_writer(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.reader(world, N, name="other reader")


def two_workers(world: World) -> None:
    cast.writer(world, N, 2)
    cast.worker(world)
    cast.worker(world, name="other worker")


def rung(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.rung_worker(world)


def threads(world: World) -> None:
    cast.reader(world, N, together=True)
    cast.reader(world, N, name="other reader", together=True)
    cast.writer(world, N, 2)


def releases(world: World) -> None:
    cast.reader(world, N)
    cast.reader(world, N, name="newer release", schema=2)
    cast.writer(world, N, 2)


def lagging(world: World) -> None:
    cast.writer(world, N, 2, upstream=cast.HIDDEN)
    cast.reader(world, N, reads=2)
    cast.catching_up(world, N)


def lagging_worker(world: World) -> None:
    cast.writer(world, N, 2, upstream=cast.HIDDEN)
    cast.worker(world)
    cast.reader(world, N)
    cast.catching_up(world, N)


def lagging_long(world: World) -> None:
    cast.writer(world, N, 2, upstream=cast.HIDDEN)
    cast.worker(world, rounds=6, every_seconds=4.0)
    cast.catching_up(world, N)


def pointer_lost(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.pointer_eviction(world, N)


def pointer_lost_reads(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.pointer_eviction(world, N)


def pointer_lost_worker(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.worker(world)
    cast.pointer_eviction(world, N)


def wiped(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.wipe(world)


def out(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.outage(world)


def late(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.late_arrival(world)


def late_reader(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.late_arrival(world)


def pauses(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.passing(world, 31.0)


def late_advance(world: World) -> None:
    cast.advancer(world, N)
    cast.writer(world, N, 2)
    cast.passing(world, 20.0, 11.0)


def advance_races(world: World) -> None:
    cast.advancer(world, N)
    cast.writer(world, N, 2)
    cast.reader(world, N)


def pointer_lost_advance(world: World) -> None:
    cast.advancer(world, N)
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.pointer_eviction(world, N)


def pointer_lost_writers(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)
    cast.pointer_eviction(world, N)


def objects(world: World) -> None:
    cast.writer(world, N, 3, 5)
    cast.writer(world, N, 2, 4, name="other writer")
    cast.reader(world, N)


def carried(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.worker(world)


def carried_writers(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)


def ahead(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)


# -- containers --------------------------------------------------------------------------------


def container_and_reader(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, ORDER, reads=2)


def container_written_too(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, ORDER, 2, name="other writer")
    cast.reader(world, ORDER)


def container_of_two(world: World) -> None:
    cast.writer(world, N, 2)
    cast.writer(world, M, 2, name="other writer")
    cast.reader(world, ORDER, reads=2)


def container_in_a_batch(world: World) -> None:
    cast.batch_writer(world, (ORDER, 2), (N, 2))
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, ORDER)


def container_and_worker(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, ORDER)
    cast.worker(world)


def container_of_a_burst(world: World) -> None:
    cast.writer(world, N, 2, 3)
    cast.reader(world, ORDER, reads=2)


def container_pointer_lost(world: World) -> None:
    cast.advancer(world, ORDER)
    cast.writer(world, N, 2)
    cast.reader(world, ORDER)
    cast.pointer_eviction(world, ORDER)


# -- within a transaction of the caller's ------------------------------------------------------


def joined(world: World) -> None:
    cast.joined_writer(world, N, 2)
    cast.reader(world, N, reads=2)


def joined_in_vain(world: World) -> None:
    cast.joined_writer(world, N, 2, commits=False)
    cast.writer(world, N, 3, name="other writer")
    cast.reader(world, N)


#: The state stays, the content changes.
REFUNDS = (
    Version("succeeded", 10, received=1000, refunded=100),
    Version("succeeded", 20, received=1000, refunded=200),
    Version("succeeded", 30, received=1000, refunded=300),
)

#: Several objects speak: the refund is told after the dispute, and one of two disputes is won.
SEVERAL_OBJECTS = (
    Version("succeeded", 10, received=1000, speaks="intent:1"),
    Version("succeeded", 20, received=1000, refunded=400, speaks="charge:1"),
    Version("succeeded", 30, 1000, 400, dispute="open", speaks="dispute:a", own="open"),
    Version("succeeded", 40, 1000, 400, dispute="open", speaks="dispute:b", own="open"),
    Version("succeeded", 50, 1000, 400, dispute="open", speaks="dispute:a", own="won"),
)
#: An intent's snapshot comes after its charge was refunded, and shows nothing of that.
INTENT_LAST = (
    Version("succeeded", 10, received=1000, speaks="intent:1"),
    Version("succeeded", 20, received=1000, refunded=400, speaks="charge:1"),
    Version("succeeded", 30, received=1000, refunded=400, speaks="intent:1"),
)
#: The second one is dated hours ahead of our clock.
AHEAD = (
    Version("processing", 10),
    Version("requires_action", 20_000),
    Version("succeeded", 30, received=1000),
)

_CALM: dict[str, Any] = {"histories": {N: GOING_WELL}}
ORDERED = (
    OrderVersion("confirmed", 10),
    OrderVersion("fulfilled", 20),
)
_SHOWN: dict[str, Any] = {"orders": {ORDER: ORDERED}, "shown_in": {N: ORDER}}
_LOSING: dict[str, Any] = {
    "histories": {N: GOING_WELL},
    "strict": False,
    "loads_per_revision": None,
}

#: In the order in which they are visited: the smallest first.
SMALL = (
    Scenario("writer-reader", cast=writer_and_reader, before=warm, **_CALM),
    Scenario("objects", {N: SEVERAL_OBJECTS}, objects, warm, redelivers=True),
    Scenario("ahead", {N: AHEAD}, ahead, warm, redelivers=True, loads_per_revision=None),
    Scenario("carried", cast=carried, before=warm, carries=True, **_CALM),
    Scenario(
        "carried-content", {N: REFUNDS}, carried_writers, warm, carries=True, tells_versions=False
    ),
    Scenario("carried-objects", {N: INTENT_LAST}, carried_writers, warm, carries=True),
    Scenario(
        "carried-crash",
        {N: REFUNDS},
        carried_writers,
        warm,
        carries=True,
        may_fail=True,
        tells_versions=False,
    ),
    Scenario("two-workers", cast=two_workers, before=warm, **_CALM),
    Scenario("lagging", cast=lagging, before=warm, **{**_CALM, "loads_per_revision": None}),
    Scenario("writer-reader-cold", cast=writer_and_reader, before=no_pointer, **_CALM),
    Scenario("pointer-lost", cast=pointer_lost, before=warm, **_LOSING),
    Scenario("rung", cast=rung, before=warm, rings=True, **_CALM),
    Scenario("wiped", cast=wiped, before=warm, **_LOSING),
    Scenario("late-reader", cast=late_reader, before=warm, **_LOSING),
    Scenario(
        "content-only",
        {N: REFUNDS},
        writer_and_reader,
        cold,
        tells_versions=False,
        loads_per_revision=None,
    ),
    Scenario("pauses-warm", cast=pauses, before=warm, timed=True, **_CALM),
    Scenario("late-advance", cast=late_advance, before=no_pointer, timed=True, **_CALM),
    Scenario("advance-races", cast=advance_races, before=held_up, **_CALM),
    Scenario("pointer-lost-advance", cast=pointer_lost_advance, before=warm, **_LOSING),
    Scenario("no-pointer-advance", cast=pointer_lost_advance, before=no_pointer, **_LOSING),
    Scenario("one-of-each", cast=one_of_each, before=warm, **_CALM),
    Scenario("releases", cast=releases, before=cold, **_CALM),
    Scenario("two-writers", cast=two_writers, before=warm, **_CALM),
    Scenario("two-writers-content", {N: REFUNDS}, two_writers, warm, tells_versions=False),
    Scenario("two-writers-once", {N: REFUNDS}, two_writers_read_once, warm, tells_versions=False),
    Scenario("pointer-lost-twice", cast=pointer_lost_reads, before=no_pointer, **_LOSING),
    Scenario("declined-twice", {N: DECLINED_TWICE}, twice_the_same_state, warm),
    Scenario("pauses", cast=pauses, before=no_pointer, timed=True, **_CALM),
    Scenario("cold-readers", cast=cold_readers, before=unsettled, **_CALM),
    Scenario("cold-readers-writer", cast=cold_readers_and_a_writer, before=cold, **_CALM),
    Scenario("one-of-each-cold", cast=one_of_each, before=cold, **_CALM),
    Scenario(
        "lagging-worker", cast=lagging_worker, before=warm, **{**_CALM, "loads_per_revision": None}
    ),
    Scenario(
        "lagging-long",
        cast=lagging_long,
        before=warm,
        redelivers=True,
        **{**_CALM, "loads_per_revision": None},
    ),
    Scenario("pointer-lost-worker", cast=pointer_lost_worker, before=warm, **_LOSING),
    Scenario("outage", cast=out, before=warm, may_fail=True, **_LOSING),
    Scenario("late", cast=late, before=warm, **_LOSING),
    Scenario("threads", cast=threads, before=cold, shared_processes=True, **_CALM),
    Scenario("creation", cast=creation, **_CALM),
    Scenario("pointer-lost-writers", cast=pointer_lost_writers, before=warm, **_LOSING),
    Scenario("two-writers-worker", cast=two_writers_and_a_worker, before=warm, **_CALM),
    Scenario("joined", {N: REFUNDS}, joined, warm, tells_versions=False, loads_per_revision=None),
    Scenario(
        "joined-in-vain",
        {N: REFUNDS},
        joined_in_vain,
        warm,
        tells_versions=False,
        loads_per_revision=None,
    ),
    Scenario("container", cast=container_and_reader, before=warm, **_CALM, **_SHOWN),
    Scenario("container-cold", cast=container_and_reader, before=no_pointer, **_CALM, **_SHOWN),
    Scenario("container-burst", cast=container_of_a_burst, before=cold, **_CALM, **_SHOWN),
    Scenario("container-written", cast=container_written_too, before=warm, **_CALM, **_SHOWN),
    Scenario("container-batch", cast=container_in_a_batch, before=warm, **_CALM, **_SHOWN),
    Scenario(
        "container-of-two",
        {N: GOING_WELL, M: GOING_WELL},
        container_of_two,
        warm,
        orders={ORDER: ORDERED},
        shown_in={N: ORDER, M: ORDER},
    ),
    Scenario("container-worker", cast=container_and_worker, before=warm, **_CALM, **_SHOWN),
    Scenario("container-lost", cast=container_pointer_lost, before=warm, **_LOSING, **_SHOWN),
    Scenario("faulty", cast=one_of_each, before=warm, may_fail=True, **_LOSING),
)
BY_NAME = {scenario.name: scenario for scenario in SMALL}


def that_may_crash(scenario: Scenario) -> Scenario:
    """Return the situation as it is when somebody dies: a reader who waits for them may give up."""
    return replace(scenario, may_fail=True)
