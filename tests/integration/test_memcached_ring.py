"""A ring of memcached whose nodes fail: their keys move, and don't come back too early."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from pymemcache.client.base import Client
from pytest_django import Settings

from coordinator.errors import CacheUnreachable
from coordinator.memcached import PyMemcacheCache, Trouble
from tests.integration.cache_servers import (
    GRACE_SECONDS,
    RECOVERY_SECONDS,
    TIMEOUT_SECONDS,
    Stats,
    becomes_true,
    cache_on,
    hang,
    ring_servers,
    takes_at_most,
)
from tests.servers import MemcachedServer
from tests.support.troubles import Troubles, troubles

__all__ = ["ring_servers", "troubles"]  # fixtures

DEAD_SECONDS = 2.0


class Ring(NamedTuple):
    """A ring of three, and a key that lives on each of its nodes."""

    cache: PyMemcacheCache
    servers: list[MemcachedServer]
    keys: list[str]


@pytest.fixture
def ring(ring_servers: list[MemcachedServer]) -> Ring:
    """Return a ring whose failed nodes stay away for two seconds."""
    cache = cache_on(*ring_servers, dead_timeout=DEAD_SECONDS)
    return Ring(cache, ring_servers, [key_on(cache, server) for server in ring_servers])


def key_on(cache: PyMemcacheCache, server: MemcachedServer) -> str:
    return next(
        key
        for key in (f"key{number}" for number in range(1_000))
        if cache._nodes.node_for(cache._wire_key(key, None)).name == server.address
    )


def held_by(server: MemcachedServer, key: str) -> bytes | None:
    client = Client(server.address, timeout=5)
    value: bytes | None = client.get(f":1:{key}")
    client.close()
    return value


def test_a_failed_nodes_keys_move_to_the_others_and_only_they_do(ring: Ring) -> None:
    cache, servers, _ = ring
    keys = [f"key{number}" for number in range(600)]

    def homes() -> dict[str, str]:
        return {key: cache._nodes.node_for(cache._wire_key(key, None)).name for key in keys}

    before = homes()
    servers[0].kill()
    cache.set_many(dict.fromkeys(keys, 1))
    after = homes()
    moved = [key for key in keys if before[key] != after[key]]
    assert moved == [key for key in keys if before[key] == servers[0].address]
    heirs = [after[key] for key in moved]
    assert min(heirs.count(server.address) for server in servers[1:]) > len(moved) / 4
    assert cache.set_many(dict.fromkeys(keys, 2)) == []
    assert cache.get_many(keys) == dict.fromkeys(keys, 2)


@pytest.mark.slow
def test_a_node_that_comes_back_with_old_data_is_not_used_until_its_time(ring: Ring) -> None:
    cache, servers, keys = ring
    cache.set(keys[0], b"old", 100)
    hang(servers[0])
    failed_at = time.monotonic()
    assert cache.get(keys[0]) is None
    cache.set(keys[0], b"new", 100)
    servers[0].resume()
    assert held_by(servers[0], keys[0]) == b"old"
    while time.monotonic() < failed_at + DEAD_SECONDS:
        assert cache.get(keys[0]) == b"new"
    # Then it is used again, old data and all: what may be stale must not live longer than that.
    becomes_true(lambda: cache.get(keys[0]) == b"old", TIMEOUT_SECONDS + 2 * GRACE_SECONDS)


@pytest.mark.slow
def test_by_default_a_node_stays_away_for_longer_than_any_pointer_lives(
    ring_servers: list[MemcachedServer], settings: Settings
) -> None:
    settings.COORDINATOR_POINTER_TIMEOUT_SECONDS = 2
    cache = PyMemcacheCache([server.address for server in ring_servers], {})
    key = key_on(cache, ring_servers[0])
    cache.set(key, b"pointer", 2)
    hang(ring_servers[0])
    assert cache.get(key) is None
    ring_servers[0].resume()
    assert held_by(ring_servers[0], key) == b"pointer"
    seen = set()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        seen.add(cache.get(key))
    assert seen == {None}
    assert held_by(ring_servers[0], key) is None, "expired before anybody could see it again"


def test_a_token_does_not_fit_the_node_to_which_its_key_has_moved(ring: Ring) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, b"first"))
    for _ in range(20):
        cache.set(keys[0], b"here")
    found = cache.get_with_token(keys[0])
    assert found is not None
    here = found[1]
    servers[0].kill()
    becomes_true(lambda: cache.set(keys[0], b"there"), RECOVERY_SECONDS)
    # Each server counts for itself: let the other one arrive at the very same number.
    while number_of(cache, keys[0]) < int(here.item[2]):
        cache.set(keys[0], b"there")
    assert number_of(cache, keys[0]) == int(here.item[2])
    assert cache.compare_and_set(keys[0], b"mine", here) is False
    assert cache.compare_and_delete(keys[0], here) is False
    assert cache.get(keys[0]) == b"there"


def number_of(cache: PyMemcacheCache, key: str) -> int:
    found = cache.get_with_token(key)
    assert found is not None
    return int(found[1].item[2])


def test_adding_many_raises_for_a_node_that_hangs_and_then_adds_them_elsewhere(
    ring: Ring, troubles: Troubles
) -> None:
    cache, servers, _ = ring
    items = {f"key{number}": (b"new", 100.0) for number in range(60)}
    hang(servers[1])
    with pytest.raises(CacheUnreachable):
        cache.add_many_or_raise(items)
    assert troubles == [(servers[1].address, "add_many", Trouble.TIMEOUT)]
    # Its keys have moved. Of the others, those that were sent before it hung are there already.
    assert sorted(cache.add_many_or_raise(items)) == sorted(items)
    assert cache.get_many(items) == dict.fromkeys(items, b"new")


def test_tokens_for_many_raise_for_a_node_that_hangs_and_then_come_for_what_the_others_have(
    ring: Ring, troubles: Troubles
) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, b"seen"))
    hang(servers[1])
    with pytest.raises(CacheUnreachable):
        cache.get_many_with_tokens(keys)
    assert troubles == [(servers[1].address, "get_many_with_tokens", Trouble.TIMEOUT)]
    assert sorted(cache.get_many_with_tokens(keys)) == sorted([keys[0], keys[2]])


def test_deleting_many_raises_for_a_node_that_hangs_and_leaves_alone_what_has_moved(
    ring: Ring, troubles: Troubles
) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, b"seen"))
    tokens = {key: token for key, (_, token) in cache.get_many_with_tokens(keys).items()}
    hang(servers[1])
    with pytest.raises(CacheUnreachable):
        cache.compare_and_delete_many(tokens)
    assert troubles == [(servers[1].address, "compare_and_delete_many", Trouble.TIMEOUT)]
    assert cache.set(keys[1], b"seen"), "at the node that has its keys now"
    cache.compare_and_delete_many(tokens)
    assert cache.get_many(keys) == {keys[1]: b"seen"}


def test_a_multi_get_brings_what_the_others_have(ring: Ring, troubles: Troubles) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, 1))
    hang(servers[1])
    with takes_at_most(TIMEOUT_SECONDS + GRACE_SECONDS):
        assert cache.get_many(keys) == {keys[0]: 1, keys[2]: 1}
    assert troubles == [(servers[1].address, "get_many", Trouble.TIMEOUT)]
    servers[2].kill()
    with pytest.raises(CacheUnreachable):
        cache.get_many_or_raise(keys)


def test_nodes_that_hang_together_are_waited_for_together(
    ring_servers: list[MemcachedServer],
) -> None:
    cache = cache_on(*ring_servers, timeout=1.0)
    keys = [key_on(cache, server) for server in ring_servers]
    cache.set_many(dict.fromkeys(keys, 1))
    for server in ring_servers:
        hang(server)
    # One after the other they would cost three timeouts.
    with takes_at_most(1.0 + GRACE_SECONDS):
        assert cache.get_many(keys) == {}


def test_a_multi_get_is_one_round_trip_a_node(ring: Ring) -> None:
    cache, servers, _ = ring
    keys = [f"key{number}" for number in range(100)]
    cache.set_many(dict.fromkeys(keys, b"v"))
    counters = [Stats(server) for server in servers]
    before = [(stats["cmd_get"], stats["total_connections"]) for stats in counters]
    lines = sent_lines(cache, lambda: cache.get_many(keys))
    after = [(stats["cmd_get"], stats["total_connections"]) for stats in counters]
    assert sum(gets for gets, _ in after) - sum(gets for gets, _ in before) == len(keys)
    assert [opened for _, opened in after] == [opened for _, opened in before]
    assert len(lines) == 3
    for stats in counters:
        stats.close()


def sent_lines(cache: PyMemcacheCache, use: Callable[[], object]) -> list[bytes]:
    """Return what `use` sends to the nodes over their idle connections."""
    sent = []
    for node in cache._nodes.nodes:
        for connection in node._idle:
            send = connection._send

            def noted(data: bytes, send: Callable[[bytes], None] = send) -> None:
                sent.append(data)
                send(data)

            connection._send = noted  # type: ignore[method-assign]  # counts, and passes on
    use()
    return sent


@pytest.mark.slow
def test_with_every_node_gone_all_are_misses(ring: Ring, troubles: Troubles) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, 1))
    for server in servers:
        server.kill()
    with takes_at_most(GRACE_SECONDS):
        for _ in range(20):
            assert cache.get_many(keys) == {}
            assert cache.set(keys[0], 1) is False
            assert cache.set_many(dict.fromkeys(keys, 1)) == keys
            cache.delete_many(keys)
            cache.clear()
        with pytest.raises(CacheUnreachable, match="every node"):
            cache.get_with_token(keys[0])
        with pytest.raises(CacheUnreachable, match="every node"):
            cache.get_many_or_raise(keys)
    assert troubles[-1][2] is Trouble.RESTING
    for server in servers:
        server.restart()
    becomes_true(lambda: cache.set_many(dict.fromkeys(keys, 1)) == [], DEAD_SECONDS + 1)


@pytest.mark.slow
def test_threads_that_see_a_node_fail_at_once_see_misses_and_no_errors(ring: Ring) -> None:
    cache, servers, keys = ring
    errors = []
    stop = threading.Event()

    def use() -> None:
        try:
            while not stop.is_set():
                cache.get_many(keys)
                cache.set(keys[0], 1)
                cache.get(keys[1])
        except Exception as error:  # noqa: BLE001  # whatever it is, the test must show it
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for server in servers[:2]:
        server.kill()
        stop.wait(0.3)
        server.restart()
    # Long enough for both to be found well again, by all threads at once.
    stop.wait(DEAD_SECONDS + 0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    becomes_true(lambda: cache.set_many(dict.fromkeys(keys, 1)) == [], DEAD_SECONDS + 1)
    assert cache.get_many(keys) == dict.fromkeys(keys, 1)


def test_the_order_of_the_servers_in_the_settings_does_not_matter(ring: Ring) -> None:
    cache, servers, keys = ring
    cache.set_many(dict.fromkeys(keys, 1))
    reordered = cache_on(*reversed(servers), dead_timeout=DEAD_SECONDS)
    assert reordered.get_many(keys) == dict.fromkeys(keys, 1)
