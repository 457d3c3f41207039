"""One pool of connections per process: across requests, tasks, threads, greenlets and forks."""

import ctypes
import json
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from django.core.cache import caches, close_caches
from django.core.signals import request_finished, request_started
from pytest_django import Settings

from coordinator.memcached import PyMemcacheCache, Trouble
from coordinator.memcached.connection import Connection
from coordinator.memcached.node import Node
from coordinator.memcached.options import Limits
from tests.integration.cache_servers import (
    Stats,
    becomes_true,
    cache,
    cache_on,
    hang,
    server,
)
from tests.servers import MemcachedServer
from tests.support.troubles import Troubles, troubles

__all__ = ["cache", "server", "troubles"]  # fixtures


@pytest.fixture
def django_cache(server: MemcachedServer, settings: Settings) -> None:
    """Make `server` the cache of Django's settings."""
    backend = "coordinator.memcached.PyMemcacheCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": [server.address]}}


# -- requests and tasks ------------------------------------------------------------------------


def test_a_thousand_requests_open_no_connection(
    django_cache: None, server: MemcachedServer
) -> None:
    caches["default"].set("key", 1)
    stats = Stats(server)
    before = stats["total_connections"]
    for _ in range(1_000):
        request_started.send(sender=None)
        assert caches["default"].get("key") == 1
        request_finished.send(sender=None)
    assert stats["total_connections"] == before
    stats.close()


def test_a_thousand_tasks_open_no_connection(django_cache: None, server: MemcachedServer) -> None:
    caches["default"].set("key", 1)
    stats = Stats(server)
    before = stats["total_connections"]
    for _ in range(1_000):
        assert caches["default"].get("key") == 1
        # What Celery's Django fixup calls after each task.
        close_caches()
    assert stats["total_connections"] == before
    stats.close()


def test_a_new_thread_for_each_request_opens_no_connection(
    django_cache: None, server: MemcachedServer
) -> None:
    caches["default"].set("key", 1)
    stats = Stats(server)
    before = stats["total_connections"]
    answers = []
    for _ in range(200):
        thread = threading.Thread(target=lambda: answers.append(caches["default"].get("key")))
        thread.start()
        thread.join()
    assert answers == [1] * 200
    assert stats["total_connections"] == before
    stats.close()


def test_two_aliases_of_the_same_servers_share_their_connections(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set("key", 1)
    stats = Stats(server)
    before = stats["total_connections"]
    assert cache_on(server).get("key") == 1
    assert stats["total_connections"] == before
    stats.close()


# -- threads -----------------------------------------------------------------------------------


def hammer(cache: PyMemcacheCache, name: str, times: int) -> int:
    """Use the cache in every way, check that each answer is to its question, and count the hits."""
    chance = random.Random(name)
    hits = 0
    for _ in range(times):
        key = f"key{chance.randrange(50)}"
        act = chance.randrange(6)
        if act == 0:
            cache.set(key, f"{key} {name}")
        elif act == 1:
            cache.set_many({key: f"{key} {name}", f"{key}b": f"{key}b " + "x" * 9_000})
        elif act == 2:
            cache.delete(key)
        elif act == 3:
            found = cache.get_many([key, f"{key}b", "missing"])
            assert all(value.startswith(f"{asked} ") for asked, value in found.items())
            hits += len(found)
        else:
            value = cache.get(key)
            assert value is None or value.startswith(f"{key} ")
            hits += value is not None
    return hits


def test_sixteen_threads_get_their_own_answers(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    stats = Stats(server)
    before = stats["total_connections"]
    with ThreadPoolExecutor(16) as pool:
        hits = list(pool.map(lambda number: hammer(cache, f"thread{number}", 500), range(16)))
    assert min(hits) > 100
    assert troubles == []
    assert stats["total_connections"] - before <= 16
    stats.close()


@pytest.mark.slow
def test_answers_stay_in_step_while_the_server_hangs_now_and_then(
    server: MemcachedServer, cache: PyMemcacheCache, troubles: Troubles
) -> None:
    stop = threading.Event()
    answers = []

    def use(number: int) -> None:
        round_ = 0
        while not stop.is_set():
            round_ += 1
            answers.append(hammer(cache, f"thread{number} {round_}", 20))

    with ThreadPoolExecutor(8) as pool:
        users = [pool.submit(use, number) for number in range(8)]
        for _ in range(3):
            stop.wait(0.3)
            server.pause()
            stop.wait(0.5)
            server.resume()
        stop.wait(1.5)
        stop.set()
        for user in users:
            user.result()
    assert Trouble.TIMEOUT in {trouble for _, _, trouble in troubles}
    assert Trouble.PROTOCOL not in {trouble for _, _, trouble in troubles}
    becomes_true(lambda: cache.set("key", 1), 2)


def test_what_a_burst_opened_is_closed_when_it_is_no_longer_needed(
    server: MemcachedServer,
) -> None:
    node = Node(server.address, Limits(connect_timeout=1, timeout=1, rest=1, idle=0.2))
    stats = Stats(server)
    alone = stats["curr_connections"]
    for connection in [node.take("burst") for _ in range(10)]:
        connection.version()
        node.give_back(connection)
    assert stats["curr_connections"] == alone + 10

    def use_one() -> bool:
        node.run("version", Connection.version)
        return stats["curr_connections"] == alone + 1

    becomes_true(use_one, 5)
    node.close_idle()
    stats.close()


# -- forks -------------------------------------------------------------------------------------


def in_child(fork: Callable[[], int], act: Callable[[], object]) -> tuple[int, int]:
    """Fork and call `act` in the child. Return its process id and a pipe that ends with it.

    The pipe brings nothing if `act` returned, and the traceback if it did not.
    """
    read, write = os.pipe()
    child = fork()
    if child:
        os.close(write)
        return child, read
    status = 1
    try:
        act()
        status = 0
    except BaseException:  # noqa: BLE001  # nothing may go up the test's own stack in a child
        os.write(write, traceback.format_exc().encode()[-4000:])
    finally:
        os._exit(status)


def result_of(child: int, pipe: int) -> str:
    with os.fdopen(pipe) as lines:
        told = lines.read()
    os.waitpid(child, 0)
    return told


def c_fork() -> int:
    """Fork without running Python's hooks, as a server written in C does."""
    child: int = ctypes.PyDLL(None).fork()
    return child


@pytest.mark.parametrize("fork", [os.fork, c_fork])
def test_a_forked_child_uses_connections_of_its_own(
    server: MemcachedServer, cache: PyMemcacheCache, fork: Callable[[], int]
) -> None:
    cache.set_many({f"key{number}": f"key{number} first" for number in range(50)})
    stats = Stats(server)
    before = stats["total_connections"]
    children = [
        in_child(fork, partial(hammer, cache, f"child{number}", 300)) for number in range(4)
    ]
    hammer(cache, "parent", 300)
    assert [result_of(*child) for child in children] == [""] * 4
    # One for each child, and none for the parent, whose own was not hurt by theirs.
    assert stats["total_connections"] - before == 4
    assert hammer(cache, "parent again", 50) > 0
    assert stats["total_connections"] - before == 4
    stats.close()


def test_a_fork_in_the_middle_of_other_threads_answers_crosses_nothing(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    stop = threading.Event()

    def use(number: int) -> int:
        hits = 0
        while not stop.is_set():
            hits += hammer(cache, f"thread{number} {hits}", 20)
        return hits

    with ThreadPoolExecutor(4) as pool:
        users = [pool.submit(use, number) for number in range(4)]
        children = [
            in_child(os.fork, partial(hammer, cache, f"child{number}", 100)) for number in range(8)
        ]
        told = [result_of(*child) for child in children]
        stop.set()
        assert min(user.result() for user in users) > 0
    assert told == [""] * 8


def test_a_child_finds_out_for_itself_whether_a_server_answers(
    server: MemcachedServer, cache: PyMemcacheCache
) -> None:
    cache.set("key", 1)
    hang(server)
    assert cache.get("key") is None
    child = in_child(os.fork, lambda: becomes_true(lambda: cache.get("key") == 1, 4))
    server.resume()
    assert result_of(*child) == ""


# -- greenlets ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", ["hammer", "killed", "hung", "forked"], ids=lambda name: f"greenlets_{name}"
)
def test_greenlets_share_the_pool(server: MemcachedServer, scenario: str) -> None:
    # In a process of its own: gevent's patches can't be undone.
    script = Path(__file__).with_name("gevent_scenarios.py")
    ended = subprocess.run(
        [sys.executable, str(script), scenario, server.address, str(server.pid)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert json.loads(ended.stdout.splitlines()[-1])["scenario"] == scenario
