"""When the pointer cannot answer, or what a request remembers is the past."""

from collections.abc import Mapping, Sequence

from edx_django_utils.cache import DEFAULT_REQUEST_CACHE

from coordinator.core import cache, keys, pointer
from coordinator.core.find import find
from coordinator.core.pointer import Current, Suspended
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded, Standing
from tests.support.things import Things
from tests.support.upstream import OWNER, Upstream

# -- when the pointer can't answer -------------------------------------------------------------


def test_a_suspended_pointer_sends_to_the_ledger_and_the_entry_still_serves(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1")
    pointer.suspend("thing", "T-1", 2)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, True)
    assert things.pointer("T-1") == Suspended(2), "a reader seeded over a suspension"


def test_after_a_crash_between_commit_and_advance_a_reader_loads_and_advances(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1", "open")
    pointer.suspend("thing", "T-1", 2)
    things.write("T-1", "paid")
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.entry_name) == (Outcome.MISS, "thing.T-1.paid")
    assert things.pointer("T-1") == Current("paid", 2)


def test_an_expired_pointer_is_seeded_by_the_next_reader(things: Things) -> None:
    things.warm("T-1")
    cache.forget(keys.pointer_key("thing", "T-1"))
    assert read(things.resource, "T-1").from_ledger
    assert things.pointer("T-1") == Current("paid", 1)
    assert not read(things.resource, "T-1").from_ledger


def test_inside_a_transaction_a_reader_is_served_and_seeds_nothing(things: Things) -> None:
    things.write("T-1", "paid")
    things.outside_transactions = False
    assert read(things.resource, "T-1").outcome is Outcome.MISS
    assert things.pointer("T-1") is None
    pointer.suspend("thing", "T-1", 2)
    cache.clear_request_tier()
    things.write("T-1", "open")
    assert read(things.resource, "T-1").outcome is Outcome.MISS
    assert things.pointer("T-1") == Suspended(2)


def test_a_reader_that_was_held_up_seeds_nothing(things: Things) -> None:
    things.write("T-1", "open")
    plain = things.standings

    def slowly(identifiers: Sequence[str]) -> Mapping[str, Standing]:
        found = plain(identifiers)
        # While its answer is on the way, a change comes, and its pointer's time runs out.
        things.change("T-1", "paid")
        cache.forget(keys.pointer_key("thing", "T-1"))
        return found

    object.__setattr__(things.resource, "standings", slowly)
    find(things.resource, ["T-1"])
    assert things.pointer("T-1") is None


def test_an_old_snapshot_of_the_ledger_is_read_again(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "open")
    old = things.rows["T-1"]
    things.change("T-1", "paid")
    things.change("T-1", "refunded")
    pointer.suspend("thing", "T-1", 4)
    plain, answers = things.standings, [{"T-1": old}]
    object.__setattr__(
        things.resource, "standings", lambda names: answers.pop() if answers else plain(names)
    )
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.entry.state, lookup.entry.revision) == ("refunded", 3)


def test_a_damaged_pointer_sends_to_the_ledger_and_is_repaired(things: Things) -> None:
    things.warm("T-1")
    cache.put(keys.pointer_key("thing", "T-1"), b"damaged", 60)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, True)
    assert things.pointer("T-1") == Current("paid", 1)


def test_a_state_that_only_another_release_knows_is_asked_of_the_ledger(things: Things) -> None:
    things.warm("T-1")
    key = keys.pointer_key("thing", "T-1")
    cache.put(key, pointer.encode(Current("shipped", 1), key), 60)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, True)


# -- the request tier --------------------------------------------------------------------------


def test_what_a_request_remembers_is_read_again_when_it_is_the_past(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1", "open")
    assert read(things.resource, "T-1").outcome is Outcome.HIT
    key = things.key("T-1", "open").cache_key
    remembered = DEFAULT_REQUEST_CACHE.get_cached_response(key).value
    things.change("T-1", "paid")
    things.change("T-1", "open")
    # Another process warms it: this request still remembers the first time.
    cache.clear_request_tier()
    read(things.resource, "T-1")
    DEFAULT_REQUEST_CACHE.set(key, remembered)
    calls = len(upstream.calls)
    lookup = read(things.resource, "T-1")
    assert lookup.outcome is Outcome.HIT
    assert lookup.entry is not None
    assert lookup.entry.revision == 3
    assert len(upstream.calls) == calls
    assert DEFAULT_REQUEST_CACHE.get_cached_response(key).value != remembered


def test_a_lagging_answer_is_not_remembered(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    upstream.says_once("T-1", Loaded(b"past", "open", OWNER))
    read(things.resource, "T-1")
    for state in ("open", "paid"):
        key = things.key("T-1", state).cache_key
        assert not DEFAULT_REQUEST_CACHE.get_cached_response(key).is_found
