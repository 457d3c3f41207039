"""Single-flight: one loads, and the others learn who it is."""

import json
from collections.abc import Callable, Iterator

import pytest

from coordinator.core import cache, events, fill, keys, lease
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import WarmOutcome
from coordinator.core.lease import Flight, Lease
from coordinator.errors import CoordinatorError
from tests.support.things import Things
from tests.support.threads import at_once

KEY = keys.lease_key("thing", "T-1")


@pytest.fixture(autouse=True)
def nothing_under_way() -> Iterator[None]:
    """Forget the flights that a test leaves in the air: they belong to the process."""
    yield
    lease._flights.clear()


def take(revision: int = 1, *, schema: int = 1) -> Lease | Flight | None:
    return lease.acquire("thing", "T-1", revision, schema)


def taken(revision: int = 1, *, schema: int = 1) -> Lease:
    got = take(revision, schema=schema)
    assert isinstance(got, Lease)
    return got


def held_by_another_process(revision: int) -> None:
    """Let the shared lease be somebody's of whom this process knows nothing."""
    assert cache.add(KEY, json.dumps(["somebody", revision]).encode(), 30)


def holder() -> tuple[str, int] | None:
    found = cache.get_with_token(KEY)
    if found is None:
        return None
    assert isinstance(found.value, bytes)
    owner, revision = json.loads(found.value)
    return owner, revision


def test_the_lease_names_its_owner_and_revision() -> None:
    got = taken(7)
    assert holder() == (got.owner, 7)


def test_a_second_one_in_this_process_gets_the_flight_of_the_first() -> None:
    first = taken()
    second = take()
    assert isinstance(second, Flight)
    assert second is first.flight
    assert not second.landed.is_set()


def test_a_released_lease_is_free_for_the_next() -> None:
    taken().release()
    assert holder() is None
    taken()


def test_releasing_wakes_those_who_wait_and_hands_them_the_entry(things: Things) -> None:
    first = taken()
    second = take()
    assert isinstance(second, Flight)
    entry = an_entry(things, revision=1)
    first.release(entry)
    assert second.landed.is_set()
    assert second.entry is entry
    assert second.error is None


def test_releasing_hands_an_error_to_those_who_wait() -> None:
    first = taken()
    second = take()
    assert isinstance(second, Flight)
    error = CoordinatorError()
    first.release(error=error)
    assert second.error is error


def test_a_lease_of_another_process_is_waited_for() -> None:
    held_by_another_process(revision=1)
    assert take(1) is None
    assert holder() == ("somebody", 1)


def test_a_refused_flight_does_not_block_the_next_one_here() -> None:
    held_by_another_process(revision=1)
    assert take(1) is None
    found = cache.get_with_token(KEY)
    assert found is not None
    assert cache.delete_if_mine(KEY, found.token)
    taken(1)


def test_a_newer_revision_takes_over_the_lease_of_another_process() -> None:
    held_by_another_process(revision=1)
    got = taken(2)
    assert holder() == (got.owner, 2)


def test_a_newer_revision_takes_over_the_flight_of_this_process() -> None:
    older = taken(1)
    newer = taken(2)
    assert holder() == (newer.owner, 2)
    older.release()
    assert holder() == (newer.owner, 2), "it released what is somebody else's by now"
    waiting = take(2)
    assert waiting is newer.flight


def test_an_older_revision_waits_for_a_newer_one() -> None:
    newer = taken(2)
    assert take(1) is newer.flight


def test_a_lease_that_ran_out_is_not_released_by_its_former_owner(
    pass_time: Callable[[float], None],
) -> None:
    first = taken(1)
    pass_time(31)
    assert holder() is None
    held_by_another_process(revision=1)
    first.release()
    assert holder() == ("somebody", 1)


def test_a_dead_holder_is_waited_for_no_longer_than_the_timeout(
    pass_time: Callable[[float], None],
) -> None:
    held_by_another_process(revision=1)
    pass_time(29)
    assert take(1) is None
    pass_time(2)
    taken(1)


def test_releases_with_different_schemas_load_each_their_own() -> None:
    taken(1, schema=1)
    taken(1, schema=2)


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b'["somebody"]', b'["\xff",1]', b"[" * 100_000, b"null"]
)
def test_foreign_bytes_are_nobodys_lease(value: bytes) -> None:
    cache.add(KEY, value, 60)
    taken(1)


def test_without_a_cache_the_flight_alone_decides(no_cache: None) -> None:
    first = taken(1)
    assert take(1) is first.flight
    first.release()
    taken(1).release()


def test_one_of_many_threads_gets_the_lease() -> None:
    results = at_once([take] * 16)
    assert sum(isinstance(one, Lease) for one in results) == 1
    assert sum(isinstance(one, Flight) for one in results) == 15


def test_one_of_many_threads_gets_the_lease_without_a_cache(no_cache: None) -> None:
    results = at_once([take] * 16)
    assert sum(isinstance(one, Lease) for one in results) == 1


def test_a_holder_that_outlives_its_lease_cannot_store_over_something_newer(
    things: Things, pass_time: Callable[[float], None]
) -> None:
    outlived = taken(1)
    late = an_entry(things, revision=1, loaded_at=100.0)
    pass_time(31)
    successor = taken(2)
    newer = an_entry(things, revision=2, loaded_at=90.0)
    key = things.key("T-1", "paid")
    assert fill.store(key, newer, 0.0) is WarmOutcome.WARMED
    successor.release(newer)
    assert fill.store(key, late, 0.0) is WarmOutcome.ALREADY
    outlived.release(late)


def test_asking_for_a_lease_is_told(told: list[events.CoreEvent]) -> None:
    taken(1).release()
    held_by_another_process(revision=1)
    take(1)
    assert [e.granted for e in told if isinstance(e, events.LeaseTaken)] == [True, False]


def an_entry(things: Things, revision: int, loaded_at: float = 1.0) -> CacheEntry:
    return CacheEntry(
        payload=b"{}",
        state="paid",
        revision=revision,
        loaded_at=loaded_at,
        load_seconds=0.1,
        refresh_after=1e9,
        expires_at=2e9,
        owner="42",
        schema=1,
        etag="e",
    )
