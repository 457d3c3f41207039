"""One loads while the others wait: for a thread of this process, or for another process."""

import json
from collections.abc import Callable, Iterator

import pytest

from coordinator.core import cache, clock, entry, fill, keys, lease
from coordinator.core.load import Fetched
from coordinator.core.read import Busy, Lookup, Outcome, read, read_many
from coordinator.core.resource import Loaded
from coordinator.errors import CoordinatorError
from tests.support.clocks import ManualClock
from tests.support.things import Things, own
from tests.support.threads import Running, at_once
from tests.support.upstream import Upstream, agreeing

LEASE = keys.lease_key("thing", "T-1")


class UpstreamDown(CoordinatorError):
    """It does not answer."""


@pytest.fixture(autouse=True)
def nothing_under_way() -> Iterator[None]:
    """Fail a test that leaves a flight in the air: whoever comes next would wait for it."""
    yield
    assert not lease._flights


def another_process_loads(revision: int) -> None:
    assert cache.add(LEASE, json.dumps(["somebody", revision]).encode(), 30)


def another_process_gives_up() -> None:
    cache.clear(LEASE)


def another_process_stores(things: Things) -> None:
    """Store T-1's entry as another process would: not into this one's request tier."""
    standing = things.rows["T-1"]
    loaded = agreeing("T-1", standing)
    new = fill.build(things.resource, standing, loaded, Fetched(loaded, clock.current().now(), 0.1))
    key = things.key("T-1", standing.state)
    cache.put(key.cache_key, entry.encode(new, key), 60)


def once(happening: Callable[[], object]) -> Callable[[], None]:
    """Return a function that lets it happen at its second call: after one wait in vain."""
    calls: list[int] = []

    def maybe() -> None:
        calls.append(1)
        if len(calls) == 2:
            happening()

    return maybe


# -- threads of this process -------------------------------------------------------------------


def test_many_cold_readers_at_once_cost_upstream_one_request(
    things: Things, upstream: Upstream, each_cache: str
) -> None:
    things.change("T-1", "paid")
    held = upstream.holds_back("T-1")

    def reader() -> Lookup:
        return read(things.resource, "T-1")

    first = Running(reader)
    held.await_begin()
    # They find the flight of the first; none of them can have come too late for it.
    others = [Running(reader) for _ in range(15)]
    held.let_go()
    lookups = [one.result() for one in (first, *others)]
    assert all(isinstance(one, Lookup) and one.entry is not None for one in lookups)
    assert len(upstream.calls) == 1


def test_readers_that_start_together_cost_upstream_one_request(
    things: Things, upstream: Upstream, each_cache: str
) -> None:
    things.change("T-1", "paid")
    lookups = at_once([lambda: read(things.resource, "T-1")] * 16)
    assert all(isinstance(one, Lookup) and one.entry is not None for one in lookups)
    assert len(upstream.calls) == 1


def test_whoever_waits_gets_the_entry_of_the_one_that_loads(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    held = upstream.holds_back("T-1")
    first = Running(lambda: read(things.resource, "T-1"))
    held.await_begin()
    # It waits: only now does the first one's load go on.
    manual_clock.meanwhile = held.let_go
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.collapsed) == (Outcome.MISS, True)
    loaded = first.result()
    assert isinstance(loaded, Lookup)
    assert lookup.entry == loaded.entry


def test_whoever_waits_gets_the_error_of_the_one_that_loads_and_asks_no_more(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    held = upstream.holds_back("T-1")

    def fails(*_: object) -> Loaded:
        held.act("T-1", things.rows["T-1"])
        raise UpstreamDown

    upstream._scripts["T-1"][0] = fails
    first = Running(lambda: read(things.resource, "T-1"))
    held.await_begin()
    manual_clock.meanwhile = held.let_go
    with pytest.raises(UpstreamDown):
        read(things.resource, "T-1")
    with pytest.raises(UpstreamDown):
        first.result()
    assert upstream.calls == ["T-1"]


def test_a_change_while_one_loads_is_loaded_by_whoever_reads_next_and_not_waited_for(
    things: Things, upstream: Upstream
) -> None:
    things.change("T-1", "open")
    held = upstream.holds_back("T-1")
    first = Running(lambda: read(things.resource, "T-1"))
    held.await_begin()
    things.change("T-1", "paid")
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.entry.state, lookup.collapsed) == ("paid", False)
    held.let_go()
    late = first.result()
    assert isinstance(late, Lookup)
    cache.clear_request_tier()
    assert read(things.resource, "T-1").entry == lookup.entry


def test_readers_who_wait_for_each_other_pause_when_another_process_is_the_one(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    another_process_loads(revision=1)
    flight = lease.Flight(1)
    lease._flights[LEASE] = flight

    looks: list[int] = []

    def lands_with_nothing() -> None:
        lease._flights.pop(LEASE, None)
        flight.landed.set()
        looks.append(len(things.queries))

    # A thread of ours finds out that another process has the lease: no entry, and no error.
    manual_clock.meanwhile = lands_with_nothing
    with pytest.raises(Busy):
        read(things.resource, "T-1")
    assert manual_clock.waits[1] == pytest.approx(0.005)
    assert looks[1] == looks[0], "it looked again at once, like all the others"
    assert manual_clock.moved <= 10.1


# -- another process ---------------------------------------------------------------------------


def test_what_another_process_loads_is_waited_for(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    another_process_loads(revision=1)
    manual_clock.meanwhile = once(lambda: another_process_stores(things))
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.collapsed) == (Outcome.MISS, True)
    assert upstream.calls == []


def test_waiting_passes_by_what_the_request_remembers(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    warm = things.warm("T-1", "paid")
    read(things.resource, "T-1")
    things.change("T-1", "paid")
    another_process_loads(revision=2)
    manual_clock.meanwhile = once(lambda: another_process_stores(things))
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.collapsed, lookup.entry.revision) == (True, warm.revision + 1)


def test_when_another_process_gives_up_this_one_loads(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    another_process_loads(revision=1)
    manual_clock.meanwhile = once(another_process_gives_up)
    assert read(things.resource, "T-1").stored
    assert upstream.calls == ["T-1"]


def test_a_change_while_waiting_is_what_is_answered(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "open")
    another_process_loads(revision=1)
    manual_clock.meanwhile = once(lambda: things.change("T-1", "paid"))
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.entry.state, lookup.entry.revision) == ("paid", 2)


def test_an_owner_who_loses_it_while_waiting_is_denied(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    another_process_loads(revision=1)

    def sold() -> None:
        things.change("T-1", "paid", owner="7")
        another_process_stores(things)

    manual_clock.meanwhile = once(sold)
    lookup = read(things.resource, "T-1", allowed=own)
    assert (lookup.outcome, lookup.entry) == (Outcome.DENIED, None)


def test_the_time_to_wait_being_spent_is_said_and_nothing_is_loaded(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.change("T-1", "paid")
    another_process_loads(revision=1)
    with pytest.raises(Busy) as caught:
        read(things.resource, "T-1")
    assert caught.value.retry_after_seconds == 1.0
    assert 10.0 <= manual_clock.moved < 10.2
    assert max(manual_clock.waits) <= 0.1
    assert upstream.calls == []


def test_reading_many_waits_no_longer_than_reading_one(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    names = [f"T-{number}" for number in range(5)]
    for name in names:
        things.change(name, "paid")
        assert cache.add(keys.lease_key("thing", name), b'["somebody",1]', 30)
    results = read_many(things.resource, names)
    assert all(isinstance(one, Busy) for one in results.values())
    assert manual_clock.moved < 10.2


# -- without a cache ---------------------------------------------------------------------------


def test_without_a_cache_a_read_still_answers(
    things: Things, upstream: Upstream, no_cache: None
) -> None:
    things.write("T-1", "paid")
    lookup = read(things.resource, "T-1", allowed=own)
    assert (lookup.outcome, lookup.stored) == (Outcome.MISS, False)
    assert lookup.entry is not None
    assert read(things.resource, "T-2").outcome is Outcome.ABSENT
    assert read(things.resource, "T-1", allowed=lambda _: False).outcome is Outcome.DENIED


def test_without_a_cache_threads_still_share_one_load(
    things: Things, upstream: Upstream, manual_clock: ManualClock, no_cache: None
) -> None:
    things.write("T-1", "paid")
    held = upstream.holds_back("T-1")
    first = Running(lambda: read(things.resource, "T-1"))
    held.await_begin()
    manual_clock.meanwhile = held.let_go
    assert read(things.resource, "T-1").collapsed
    first.result()
    assert upstream.calls == ["T-1"]
