"""A member of staff may force a miss: the cache is bypassed as ``TieredCache`` bypasses it."""

from edx_django_utils.cache import DEFAULT_REQUEST_CACHE
from edx_django_utils.cache.utils import SHOULD_FORCE_CACHE_MISS_KEY

from coordinator.core import cache, keys
from coordinator.core.read import Outcome, read
from tests.support.clocks import ManualClock
from tests.support.things import Things
from tests.support.upstream import Upstream

LEASE = keys.lease_key("thing", "T-1")


def force() -> None:
    """Do what the middleware does for ``?force_cache_miss=true``."""
    DEFAULT_REQUEST_CACHE.set(SHOULD_FORCE_CACHE_MISS_KEY, True)


def test_forcing_a_miss_loads_what_is_warm_and_stores_it_anew(
    things: Things, upstream: Upstream
) -> None:
    entry = things.warm("T-1", "paid")
    force()
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.stored) == (Outcome.MISS, True)
    assert lookup.entry is not None
    assert lookup.entry.loaded_at > entry.loaded_at
    cache.clear_request_tier()
    assert read(things.resource, "T-1").entry == lookup.entry


def test_forcing_a_miss_is_for_one_load_in_a_request(things: Things, upstream: Upstream) -> None:
    things.warm("T-1", "paid")
    force()
    for _ in range(3):
        read(things.resource, "T-1")
    assert upstream.calls == ["T-1", "T-1"], "what was loaded is remembered"


def test_forcing_a_miss_asks_the_ledger_past_the_pointer(things: Things) -> None:
    things.warm("T-1", "paid")
    force()
    assert read(things.resource, "T-1").from_ledger
    assert things.queries


def test_forcing_a_miss_while_another_process_loads_still_takes_no_stored_entry(
    things: Things, upstream: Upstream, manual_clock: ManualClock
) -> None:
    things.warm("T-1", "paid")
    assert cache.add(LEASE, b'["somebody",1]', 30)
    force()
    manual_clock.meanwhile = lambda: cache.clear(LEASE)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.collapsed) == (Outcome.MISS, False)
    assert upstream.calls == ["T-1", "T-1"]
