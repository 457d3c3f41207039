"""A memcached that dies, hangs, restarts or can't be reached costs little, and comes back alone."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from coordinator.errors import CacheUnreachable
from coordinator.memcached import PyMemcacheCache, Trouble
from tests.integration.cache_servers import (
    GRACE_SECONDS,
    RECOVERY_SECONDS,
    TIMEOUT_SECONDS,
    Stats,
    becomes_true,
    cache,
    cache_on,
    hang,
    server,
    takes_at_most,
)
from tests.processes import HOST, free_port
from tests.servers import MemcachedServer
from tests.support.troubles import Troubles, troubles

__all__ = ["cache", "server", "troubles"]  # fixtures


def use_plainly(cache: PyMemcacheCache) -> None:
    """Assert that every plain operation answers as if nothing were there."""
    assert cache.get("key", "miss") == "miss"
    assert cache.get_many(["key", "other"]) == {}
    assert cache.set("key", 1) is False
    assert cache.add("key", 1) is False
    assert cache.set_many({"key": 1, "other": 2}) == ["key", "other"]
    assert cache.touch("key") is False
    assert cache.delete("key") is False
    assert cache.has_key("key") is False
    assert cache.get_or_set("key", lambda: "computed") == "computed"
    with pytest.raises(ValueError, match="key"):
        cache.incr("key")
    with pytest.raises(ValueError, match="key"):
        cache.incr_version("key")
    cache.delete_many(["key"])
    cache.clear()
    cache.close()


def use_strictly(cache: PyMemcacheCache, token: object) -> None:
    """Assert that every operation that must tell "no" from "not known" raises."""
    for use in (
        lambda: cache.get_with_token("key"),
        lambda: cache.compare_and_set("key", 1, token),
        lambda: cache.compare_and_delete("key", token),
        lambda: cache.add_or_raise("key", 1),
        lambda: cache.set_or_raise("key", 1),
        lambda: cache.get_many_or_raise(["key", "other"]),
        lambda: cache.add_many_or_raise({"key": (1, 300), "other": (2, 300)}),
        lambda: cache.get_many_with_tokens(["key", "other"]),
        lambda: cache.compare_and_delete_many({"key": token}),
    ):
        with pytest.raises(CacheUnreachable):
            use()


def token_of(cache: PyMemcacheCache, key: str) -> object:
    found = cache.get_with_token(key)
    assert found is not None
    return found[1]


# -- killed ------------------------------------------------------------------------------------


def test_a_killed_server_means_misses_and_no_waiting(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    cache.set("key", 1)
    token = token_of(cache, "key")
    server.kill()
    with takes_at_most(GRACE_SECONDS):
        use_plainly(cache)
        use_strictly(cache, token)
    assert {node for node, _, _ in troubles} == {server.address}
    kinds = [trouble for _, _, trouble in troubles]
    # The first to notice finds its connection closed, or opens none; from then on it rests.
    assert set(kinds[:2]) <= {Trouble.CLOSED, Trouble.UNREACHABLE, Trouble.RESTING}
    assert set(kinds[2:]) == {Trouble.RESTING}


def test_an_error_names_the_node_and_what_was_wrong(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    server.kill()
    with pytest.raises(CacheUnreachable, match=rf"{server.address}: unreachable .*refused"):
        cache.set_or_raise("key", 1)
    with pytest.raises(CacheUnreachable, match=rf"{server.address} failed a moment ago"):
        cache.set_or_raise("key", 1)


def test_a_server_that_comes_back_is_used_again_without_a_restart(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    server.kill()
    assert cache.set("key", 1) is False
    server.restart()
    becomes_true(lambda: cache.set("key", 1), RECOVERY_SECONDS)
    assert cache.get("key") == 1
    assert cache.compare_and_set("key", 2, token_of(cache, "key"))


def test_a_restart_that_nobody_noticed_costs_nothing(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    cache.set("key", 1)
    server.kill()
    server.restart()
    assert cache.get("key", "miss") == "miss"
    assert cache.set_or_raise("key", 2)
    assert cache.get("key") == 2
    assert troubles == []


def test_a_token_from_before_a_restart_does_not_fit_what_was_stored_after_it(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set("key", b"old")
    before = cache.get_with_token("key")
    assert before is not None
    server.kill()
    server.restart()
    cache.set("key", b"new")
    after = cache.get_with_token("key")
    assert after is not None
    assert before[1].item[2] == after[1].item[2], "the restarted server counts from 1 again"
    assert cache.compare_and_set("key", b"mine", before[1]) is False
    assert cache.compare_and_delete("key", before[1]) is False
    cache.compare_and_delete_many({"key": before[1]})
    assert cache.get("key") == b"new"


def test_many_tokens_are_good_on_a_connection_that_was_opened_after_them(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set_many(dict.fromkeys(["old", "replaced", "young"], b"seen"))
    tokens = {key: token_of(cache, key) for key in ("old", "replaced")}
    cache._nodes.nodes[0].abandon()
    cache.set("replaced", b"newer")
    tokens["young"] = token_of(cache, "young")
    cache.compare_and_delete_many(tokens)
    assert cache.get_many(["old", "replaced", "young"]) == {"replaced": b"newer"}


def test_a_token_is_good_on_a_connection_that_was_opened_after_it(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set("key", b"seen")
    token = token_of(cache, "key")
    cache._nodes.nodes[0].abandon()
    assert cache.compare_and_set("key", b"mine", token) is True
    cache._nodes.nodes[0].abandon()
    assert cache.compare_and_set("key", b"mine again", token) is False
    cache.delete("key")
    cache._nodes.nodes[0].abandon()
    assert cache.compare_and_set("key", b"mine again", token) is False


# -- hung --------------------------------------------------------------------------------------


def test_a_hung_server_costs_one_timeout_and_then_nothing(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    cache.set("key", 1)
    token = token_of(cache, "key")
    hang(server)
    with takes_at_most(TIMEOUT_SECONDS + GRACE_SECONDS):
        use_plainly(cache)
        use_strictly(cache, token)
    assert troubles[0] == (server.address, "get", Trouble.TIMEOUT)
    server.resume()
    becomes_true(lambda: cache.get("key") == 1, RECOVERY_SECONDS)


@pytest.mark.slow
def test_while_a_server_hangs_each_second_costs_one_caller_one_timeout(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    cache.set("key", 1)
    hang(server)
    cache.get("key")
    del troubles[:]
    stop = threading.Event()
    threads = [
        threading.Thread(target=lambda: [cache.get("key") for _ in iter(stop.is_set, True)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    stop.wait(2.5)
    stop.set()
    for thread in threads:
        thread.join()
    timeouts = [operation for _, operation, trouble in troubles if trouble is Trouble.TIMEOUT]
    # Two threads may both be the first to ask; eight would be all of them.
    assert 1 <= len(timeouts) <= 4
    assert set(timeouts) == {"probe"}


def test_each_operation_ends_in_time_when_it_is_the_first_to_notice(
    server: MemcachedServer,
) -> None:
    # Without rest each is the first; a new connection has to be opened for each.
    cache = cache_on(server, retry_timeout=0.001)
    cache.set("key", 1)
    token = token_of(cache, "key")
    hang(server)
    for use in (
        lambda: cache.get("key"),
        lambda: cache.get_many(["key", "other"]),
        lambda: cache.set("key", 1),
        lambda: cache.set_many({"key": 1}),
        lambda: cache.delete("key"),
        lambda: cache.compare_and_set("key", 1, token),
        lambda: cache.clear(),
    ):
        slowest = TIMEOUT_SECONDS * 2 + GRACE_SECONDS
        with takes_at_most(slowest), contextlib.suppress(CacheUnreachable):
            use()


def test_a_large_value_for_a_hung_server_ends_in_time(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    hang(server)
    with takes_at_most(TIMEOUT_SECONDS * 3 + GRACE_SECONDS):
        assert cache.set("key", b"x" * 20_000_000) is False


def test_an_answer_that_comes_too_late_is_nobody_elses(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set_many({f"key{number}": number for number in range(10)})
    hang(server)
    assert cache.get("key1") is None
    server.resume()
    becomes_true(lambda: cache.get("key0") == 0, RECOVERY_SECONDS)
    for number in range(10):
        assert cache.get(f"key{number}") == number


def test_a_write_that_timed_out_may_still_arrive(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    """CacheUnreachable means "not known": no client can take back what a hung server will read."""
    cache.set("key", b"old")
    hang(server)
    with pytest.raises(CacheUnreachable):
        cache.set_or_raise("key", b"late")
    server.resume()
    becomes_true(lambda: cache.get("key") == b"late", RECOVERY_SECONDS)


class TimeLimit(Exception):
    """A task's time is up, wherever it is."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeLimit in the block soon, as Celery does: in the middle of a wait."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_task_that_is_interrupted_while_it_waits_leaves_no_answer_behind(
    server: MemcachedServer,
) -> None:
    # It waits for as long as it takes until somebody interrupts it, however busy the machine is.
    cache = cache_on(server, timeout=60)
    cache.set_many({"mine": b"mine", "yours": b"yours"})
    hang(server)
    with pytest.raises(TimeLimit), time_limit():
        cache.get("mine")
    server.resume()
    assert cache.get("yours") == b"yours"
    assert cache.get_many(["mine", "yours"]) == {"mine": b"mine", "yours": b"yours"}


# -- not there at all --------------------------------------------------------------------------


def test_a_machine_that_does_not_answer_costs_one_connect_timeout() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        waiting = []
        # Once the queue of those who wait to be accepted is full, the kernel drops the next.
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        address = "{}:{}".format(*listener.getsockname())
        cache = PyMemcacheCache(address, {"OPTIONS": {"connect_timeout": TIMEOUT_SECONDS}})
        with takes_at_most(TIMEOUT_SECONDS + GRACE_SECONDS):
            for _ in range(200):
                assert cache.get("key", "miss") == "miss"
        for client in waiting:
            client.close()


def test_a_name_that_does_not_resolve_is_an_unreachable_node(troubles: Troubles) -> None:
    cache = PyMemcacheCache("memcached.invalid:11211", {})
    assert cache.get("key", "miss") == "miss"
    assert troubles[0] == ("memcached.invalid:11211", "get", Trouble.UNREACHABLE)


def test_every_address_of_a_name_is_tried(
    server: MemcachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def two_addresses(host: str, port: int, *args: Any) -> list[Any]:
        # As "localhost" often has ::1 first, where this server does not listen.
        return look_up(HOST, free_port(), *args) + look_up(HOST, port, *args)

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    assert cache_on(server).set_or_raise("key", 1)


# -- refused, but well -------------------------------------------------------------------------


def test_a_refused_value_costs_no_connection_and_no_rest(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set("key", 1)
    stats = Stats(server)
    before = stats["total_connections"]
    for _ in range(20):
        assert cache.set("key", b"x" * 1_100_000) is False
        assert cache.set("other", 1) is True
    assert stats["total_connections"] == before
    stats.close()
