"""What greenlets do to the pool; run as a script: scenario, server's address, server's process.

Prints one line of JSON if all went well, and ends with a traceback if not.
"""
# ruff: noqa: E402  # gevent has to patch the standard library before anything else imports it

import gevent.monkey

gevent.monkey.patch_all()

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent
from django.conf import settings
from pymemcache.client.base import Client

settings.configure()

from coordinator.memcached import PyMemcacheCache

TIMEOUT_SECONDS = 0.5
KEYS = 40


class Failed(Exception):
    """Something was not as promised."""


def expect(condition: object, what: str) -> None:
    if not condition:
        raise Failed(what)


def check(cache: PyMemcacheCache, times: int) -> int:
    """Ask for random keys, check that each answer is to its question, and count the hits."""
    hits = 0
    for _ in range(times):
        key = f"key{random.randrange(KEYS)}"
        value = cache.get(key)
        expect(value is None or value == f"{key} value", f"{key} got {value!r}")
        hits += value is not None
        found = cache.get_many([key, "missing", "key1"])
        expect(all(value == f"{name} value" for name, value in found.items()), f"{found!r}")
    return hits


def run_hammer(cache: PyMemcacheCache, stats: Client, pid: int) -> None:
    before = stats.stats()[b"total_connections"]
    greenlets = [gevent.spawn(check, cache, 50) for _ in range(50)]
    gevent.joinall(greenlets, raise_error=True)
    expect(sum(greenlet.value for greenlet in greenlets) == 50 * 50, "every answer is a hit")
    gevent.joinall([gevent.spawn(check, cache, 20) for _ in range(50)], raise_error=True)
    opened = stats.stats()[b"total_connections"] - before
    expect(opened <= 50, f"{opened} connections for 50 greenlets: they are not used again")


def run_killed(cache: PyMemcacheCache, stats: Client, pid: int) -> None:
    """Kill greenlets, and let their time run out, wherever they are just then."""
    checkers = [gevent.spawn(check, cache, 200) for _ in range(5)]
    for _ in range(300):
        victim = gevent.spawn(check, cache, 1_000)
        gevent.sleep(random.random() / 200)
        victim.kill()
        with gevent.Timeout(random.random() / 200, False):
            check(cache, 1_000)
    gevent.joinall(checkers, raise_error=True)
    expect(check(cache, 50) == 50, "every answer is a hit again")


def run_hung(cache: PyMemcacheCache, stats: Client, pid: int) -> None:
    """A hung server must delay only those who ask it, and them for one timeout."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.01)
            ticks += 1

    ticker = gevent.spawn(tick)
    os.kill(pid, signal.SIGSTOP)
    # Those under way when the signal arrives get their answers; these ask a server that hangs.
    gevent.sleep(0.1)
    began = time.monotonic()
    before = ticks
    try:
        gevent.joinall([gevent.spawn(check, cache, 1) for _ in range(30)], raise_error=True)
    finally:
        os.kill(pid, signal.SIGCONT)
    spent = time.monotonic() - began
    expect(TIMEOUT_SECONDS * 0.8 < spent < TIMEOUT_SECONDS * 4, f"took {spent} seconds")
    expect(ticks - before > 10, f"others went on meanwhile: {ticks - before} ticks")
    ticker.kill()
    gevent.sleep(2.0)
    expect(check(cache, 20) == 20, "it is used again")


def run_forked(cache: PyMemcacheCache, stats: Client, pid: int) -> None:
    """Fork while greenlets wait for answers: the child has copies of them all."""
    # All connections are open before: a greenlet that is copied while it looks up a name waits for
    # one of gevent's threads, which are not copied.
    node = cache._nodes.nodes[0]
    for connection in [node.take("open") for _ in range(10)]:
        connection.version()
        node.give_back(connection)
    for _ in range(5):
        greenlets = [gevent.spawn(check, cache, 30) for _ in range(10)]
        gevent.sleep(0.002)
        child = os.fork()
        if not child:
            # The copies go on here. They may miss, for their connections are the parent's, but
            # must not take its answers.
            gevent.joinall(greenlets)
            failed = [greenlet for greenlet in greenlets if not greenlet.successful()]
            os._exit(len(failed) or (0 if check(cache, 20) == 20 else 99))
        gevent.joinall(greenlets, raise_error=True)
        hits = sum(greenlet.value for greenlet in greenlets)
        expect(hits == 300, f"the parent missed {300 - hits} of its answers")
        _, status = os.waitpid(child, 0)
        expect(status == 0, f"the child ended with {status}")


def main() -> None:
    scenario, address, pid = sys.argv[1:]
    cache = PyMemcacheCache(address, {"OPTIONS": {"timeout": TIMEOUT_SECONDS}})
    cache.set_many({f"key{number}": f"key{number} value" for number in range(KEYS)})
    stats = Client(address, timeout=5)
    scenarios = {"hammer": run_hammer, "killed": run_killed, "hung": run_hung, "forked": run_forked}
    scenarios[scenario](cache, stats, int(pid))
    sys.stdout.write(json.dumps({"scenario": scenario}) + "\n")


if __name__ == "__main__":
    main()
