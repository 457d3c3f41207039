"""The situations: small ones, which are explored exhaustively."""

from tests.schedules import cast
from tests.schedules.scenario import Scenario
from tests.schedules.upstream import Version
from tests.schedules.world import World

N = "EDX-1"

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
    for number in world.scenario.histories:
        world.upstream.becomes(number, 1, shows=True)
        cast.record(world, number, 1)
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


def pointer_lost(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N)
    cast.pointer_eviction(world, N)


def pointer_lost_reads(world: World) -> None:
    cast.writer(world, N, 2)
    cast.reader(world, N, reads=2)
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
    cast.reader(world, N, reads=2)
    cast.passing(world, 31.0)


ALREADY_NEWEST = (
    Version("processing", 10),
    Version("succeeded", 20, received=1000),
)

SMALL = (
    Scenario("writer-reader", {N: GOING_WELL}, writer_and_reader, warm),
    Scenario("writer-reader-cold", {N: GOING_WELL}, writer_and_reader, cold),
    Scenario("one-of-each", {N: GOING_WELL}, one_of_each, warm),
    Scenario("one-of-each-cold", {N: GOING_WELL}, one_of_each, cold),
    Scenario("creation", {N: GOING_WELL}, creation),
    Scenario("two-writers", {N: GOING_WELL}, two_writers, warm),
    Scenario("two-writers-worker", {N: GOING_WELL}, two_writers_and_a_worker, warm),
    Scenario("declined-twice", {N: DECLINED_TWICE}, twice_the_same_state, warm),
    Scenario("cold-readers", {N: GOING_WELL}, cold_readers, unsettled),
    Scenario("cold-readers-writer", {N: GOING_WELL}, cold_readers_and_a_writer, cold),
    Scenario("two-workers", {N: GOING_WELL}, two_workers, warm),
    Scenario("rung", {N: GOING_WELL}, rung, warm, rings=True),
    Scenario("threads", {N: GOING_WELL}, threads, cold, shared_processes=True),
    Scenario("releases", {N: GOING_WELL}, releases, cold),
    Scenario("lagging", {N: GOING_WELL}, lagging, warm, loads_per_revision=None),
    Scenario("lagging-worker", {N: GOING_WELL}, lagging_worker, warm, loads_per_revision=None),
    Scenario("pointer-lost", {N: GOING_WELL}, pointer_lost, warm, strict=False, loads_per_revision=None),
    Scenario("pointer-lost-reads", {N: GOING_WELL}, pointer_lost_reads, warm, strict=False, loads_per_revision=None),
    Scenario("pointer-lost-worker", {N: GOING_WELL}, pointer_lost_worker, warm, strict=False, loads_per_revision=None),
    Scenario("wiped", {N: GOING_WELL}, wiped, warm, strict=False, loads_per_revision=None),
    Scenario("outage", {N: GOING_WELL}, out, warm, strict=False, loads_per_revision=None, may_fail=True),
    Scenario("late", {N: GOING_WELL}, late, warm, strict=False, loads_per_revision=None),
    Scenario("late-reader", {N: GOING_WELL}, late_reader, warm, strict=False, loads_per_revision=None),
    Scenario("pauses", {N: GOING_WELL}, pauses, warm, timed=True),
    Scenario("pauses-cold", {N: GOING_WELL}, pauses, no_pointer, timed=True),
    Scenario("pointer-lost-twice", {N: GOING_WELL}, pointer_lost_reads, no_pointer, strict=False, loads_per_revision=None),
)
BY_NAME = {scenario.name: scenario for scenario in SMALL}
