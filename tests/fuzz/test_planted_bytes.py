"""Bytes planted in memcached: never executed, never served, at worst a miss."""

import pickle
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymemcache import Client

from coordinator.core import cache, keys
from coordinator.core.read import Outcome, read
from tests.fuzz.budget import Progress, share
from tests.servers import MemcachedServer
from tests.support.things import Things
from tests.support.upstream import Upstream

executed: list[str] = []


def explode(how: str) -> None:
    """Be what a planted pickle wants to have called."""
    executed.append(how)


class Bomb:
    """Calls `explode` if anybody unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return explode, ("unpickled",)


def bombs() -> list[bytes]:
    """Return the bomb in every form that a pickle has."""
    return [pickle.dumps(Bomb(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]


@pytest.fixture
def things(upstream: Upstream) -> Things:
    """Return a resource whose ledger is a dictionary."""
    return Things(upstream)


@pytest.fixture
def upstream() -> Upstream:
    """Return an upstream that agrees with the ledger."""
    return Upstream()


def test_planted_bytes_are_neither_run_nor_served(
    memcached: MemcachedServer, things: Things
) -> None:
    good = things.warm("T-1").payload
    places = {
        "entry": things.key("T-1", "paid").cache_key,
        "pointer": keys.pointer_key("thing", "T-1"),
        "lease": keys.lease_key("thing", "T-1"),
    }
    stored = cache.get_shared(places.values()).found
    genuine = [value for value in stored.values() if isinstance(value, bytes)]
    for bomb in bombs():
        pickle.loads(bomb)  # they do go off
    assert len(executed) == len(bombs())
    executed.clear()
    progress = Progress("planted bytes")
    spoilt = st.builds(
        lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
        st.sampled_from(genuine),
        st.integers(0, 400),
        st.integers(0, 255),
    )
    truncated = st.builds(lambda data, at: data[:at], st.sampled_from(genuine), st.integers(0, 400))
    planted = st.binary(max_size=300) | st.sampled_from(bombs()) | spoilt | truncated

    with closing(Client(("127.0.0.1", memcached.port), default_noreply=False)) as attacker:

        @share(20)
        @given(
            place=st.sampled_from(sorted(places)),
            data=planted,
            flags=st.integers(0, 40) | st.integers(0, 2**32 - 1),
        )
        def plant(place: str, data: bytes, flags: int) -> None:
            progress.tick()
            cache.clear_request_tier()
            made = cache._shared().make_key(places[place])
            attacker.set(made, data, flags=flags, expire=2 if place == "lease" else 60)
            lookup = read(things.resource, "T-1")
            assert lookup.outcome in (Outcome.HIT, Outcome.MISS)
            assert lookup.entry is not None
            assert lookup.entry.payload == good
            attacker.delete(made)

        plant()
    assert executed == []
