"""Hostile identifiers, foreign bytes and values that are too large, on the real caches."""

import pickle
from collections.abc import Callable
from contextlib import closing

import pytest
from pymemcache import Client

from coordinator.core import cache, keys, pointer
from coordinator.core.fill import WarmOutcome
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.pointer import Confirmation, Current
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded
from coordinator.core.warm import confirm, warm
from tests.servers import MemcachedServer
from tests.support.things import Things
from tests.support.upstream import OWNER, Upstream

STRANGE_BUT_VALID = [
    "-",
    "0",
    "a_b",
    "a-_-b",
    "true",
    "None",
    "version",
    "identifier",
    "EDX-1001",
    "edx-1001",
    "Z" * keys.IDENTIFIER_MAX_LENGTH,
    "-" * keys.IDENTIFIER_MAX_LENGTH,
]
HOSTILE = [
    "",
    " ",
    "a b",
    "a\r\nflush_all\r\n",
    "a\x00",
    "a\x7f",
    "a__version:paid",
    "a__schema:2",
    "a:b",
    "@current",
    "*",
    "%2e%2e",
    "é",
    "\ud800",
    "🙂",
    "A" * 65,
    "A" * 100_000,
]


def test_every_valid_identifier_has_an_entry_and_a_pointer_of_its_own(
    things: Things, upstream: Upstream, each_cache: str
) -> None:
    for number, identifier in enumerate(STRANGE_BUT_VALID):
        things.change(identifier, "paid", owner=str(number))
        assert read(things.resource, identifier).stored
    cache.clear_request_tier()
    for number, identifier in enumerate(STRANGE_BUT_VALID):
        lookup = read(things.resource, identifier)
        assert lookup.outcome is Outcome.HIT
        assert lookup.entry is not None
        assert lookup.entry.owner == str(number)
    assert upstream.calls == STRANGE_BUT_VALID


@pytest.mark.parametrize("identifier", HOSTILE)
def test_every_hostile_identifier_is_refused_and_asks_nobody(
    things: Things, upstream: Upstream, each_cache: str, identifier: str
) -> None:
    with pytest.raises(InvalidIdentifier):
        read(things.resource, identifier)
    with pytest.raises(InvalidIdentifier):
        pointer.suspend("thing", identifier, 1)
    assert things.queries == []
    assert upstream.calls == []


@pytest.fixture
def foreign_bytes(memcached: MemcachedServer, cache_prefix: str) -> Callable[[str], None]:
    """Return a function that stores under a key what a client of another kind would."""

    def store(key: str) -> None:
        with closing(Client(memcached.address)) as client:
            assert client.set(
                f"{cache_prefix}:1:{key}", pickle.dumps("boo"), flags=1, noreply=False
            )

    return store


@pytest.mark.parametrize("which", ["entry", "pointer", "lease"])
def test_what_another_client_stored_under_our_keys_is_never_in_the_way(
    things: Things, upstream: Upstream, foreign_bytes: Callable[[str], None], which: str
) -> None:
    things.change("T-1", "paid")
    foreign_bytes(
        {
            "entry": things.key("T-1", "paid").cache_key,
            "pointer": keys.pointer_key("thing", "T-1"),
            "lease": keys.lease_key("thing", "T-1"),
        }[which]
    )
    assert read(things.resource, "T-1").stored
    cache.clear_request_tier()
    assert read(things.resource, "T-1").outcome is Outcome.HIT
    things.change("T-1", "open")
    assert things.pointer("T-1") == Current("open", 2)
    assert warm(things.resource, "T-1").outcome is WarmOutcome.WARMED


def test_foreign_bytes_under_a_pointers_key_give_way_to_the_first_reader(
    things: Things, foreign_bytes: Callable[[str], None]
) -> None:
    things.warm("T-1")
    foreign_bytes(keys.pointer_key("thing", "T-1"))
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, True)
    assert things.pointer("T-1") == Current("paid", 1)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, False)


def test_whoever_saw_foreign_bytes_puts_nothing_over_a_change_that_came_since(
    things: Things, foreign_bytes: Callable[[str], None]
) -> None:
    things.change("T-1", "open")
    foreign_bytes(keys.pointer_key("thing", "T-1"))
    gap = pointer.mark("thing", "T-1")
    assert gap is not None
    seen = things.rows["T-1"]
    things.change("T-1", "paid")
    # Even if these very bytes are there again.
    foreign_bytes(keys.pointer_key("thing", "T-1"))
    assert pointer.seed(gap, seen) is False
    assert read(things.resource, "T-1").entry_name == str(things.key("T-1", "paid"))


def test_foreign_bytes_confirm_a_pointer_as_nothing_would_and_mislead_no_reader(
    things: Things, upstream: Upstream, foreign_bytes: Callable[[str], None]
) -> None:
    things.warm("T-1", "open")
    things.write("T-1", "paid")
    foreign_bytes(keys.pointer_key("thing", "T-1"))
    # Enough only for a change whose own suspension was acknowledged: these bytes came after it.
    confirmed = confirm(things.resource, dict(things.rows))
    assert confirmed == {"T-1": Confirmation.NOTHING_THERE}
    lookup = read(things.resource, "T-1")
    assert lookup.entry is not None
    assert (lookup.entry.state, lookup.entry.revision) == ("paid", 2)
    # A reader has filled the gap meanwhile, and that confirms whatever had no acknowledgement.
    confirmed = confirm(things.resource, dict(things.rows))
    assert confirmed == {"T-1": Confirmation.ADVANCED}


def test_a_payload_that_the_server_refuses_is_answered_and_never_taken_for_warm(
    things: Things, upstream: Upstream, memcached: MemcachedServer
) -> None:
    upstream.says("T-1", Loaded(b"x" * 1_100_000, "paid", OWNER))
    things.change("T-1", "paid")
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.stored) == (Outcome.MISS, False)
    assert read(things.resource, "T-1").outcome is Outcome.MISS, "the request tier had it"
    assert warm(things.resource, "T-1").outcome is WarmOutcome.UNSTORED


def test_a_refused_payload_does_not_bring_back_the_one_before_it(
    things: Things, upstream: Upstream, memcached: MemcachedServer
) -> None:
    things.warm("T-1", "paid")
    things.change("T-1", "paid")
    upstream.says("T-1", Loaded(b"x" * 1_100_000, "paid", OWNER))
    for _ in range(2):
        lookup = read(things.resource, "T-1")
        assert lookup.entry is not None
        assert lookup.entry.revision == 2
        cache.clear_request_tier()
