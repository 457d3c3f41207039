"""The faults: what each does, until its cause is gone. What comes of it is not for them to say.

Each takes the site, raises NotInjected if it found no occasion, and leaves nothing broken behind:
what it stopped runs again or is started again by the supervisor, as an orchestrator would.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from workers.chaos import dying, underway
from workers.chaos.dying import Moment
from workers.chaos.site import Site
from workers.chaos.tuning import LEASE_SECONDS

_OCCASION_SECONDS = 4.0
_REDIS_AWAY_SECONDS = 2.0
_NODE_AWAY_SECONDS = 3.0
_UPSTREAM_TROUBLE_SECONDS = 4.0
#: Longer than an attempt may wait for an answer.
_STALL_SECONDS = 5.0
_LAG_SECONDS = 1.2


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its name, what it does, and in a few words what that is."""

    name: str
    happen: Callable[[Site], None]
    what: str


def kill_worker(site: Site) -> None:
    """Kill a worker while a task of some worker holds changes; the supervisor starts it again."""
    worker = site.worker()
    site.wait_until(underway.changes_are_claimed, _OCCASION_SECONDS, "no task had work")
    worker.kill()


def pause_worker(site: Site) -> None:
    """Let a worker stand still with the leases that it holds, until those have run out."""
    worker = site.worker()
    site.wait_until(underway.changes_are_claimed, _OCCASION_SECONDS, "no task had work")
    worker.pause()
    try:
        site.wait(LEASE_SECONDS + 1)
    finally:
        worker.resume()


def kill_beat(site: Site) -> None:
    """Kill the beat; the supervisor starts it again."""
    [beat] = site.system.supervisor.of("beat")
    beat.kill()


def kill_web_somewhere(site: Site) -> None:
    """Kill a web process under load, wherever it is; its server starts another."""
    site.spare_the_web()
    [web] = site.system.supervisor.of("web")
    victim = site.rng.choice(web.children())
    at = time.time()
    os.kill(victim, signal.SIGKILL)
    site.web_killed(at)


def kill_web_before_advance(site: Site) -> None:
    """Kill a web process that has committed a change, before it advances the pointer."""
    _kill_web_at(site, Moment.BEFORE_ADVANCE)


def kill_web_before_ring(site: Site) -> None:
    """Kill a web process that has committed a change, before it tells a worker."""
    _kill_web_at(site, Moment.BEFORE_RING)


def _kill_web_at(site: Site, moment: Moment) -> None:
    site.spare_the_web()
    done = dying.tell(site.orders, moment)
    try:
        site.wait_until(done.exists, _OCCASION_SECONDS, "no change was recorded")
    finally:
        dying.untell(site.orders, moment)
    site.web_killed(done.stat().st_ctime)


def restart_redis(site: Site) -> None:
    """Kill Redis, which keeps nothing on disk, and start it again with nothing in it."""
    redis = site.system.servers.redis
    redis.kill()
    try:
        site.wait(_REDIS_AWAY_SECONDS)
    finally:
        redis.restart()


def restart_memcached(site: Site) -> None:
    """Kill all memcached nodes and start them again with nothing in them."""
    with site.cache_fault():
        for node in site.system.servers.nodes:
            node.kill()
        for node in site.system.servers.nodes:
            node.restart()


def cut_memcached(site: Site) -> None:
    """Let one node answer nobody for a while, and come back with all that it held before.

    What was sent to it meanwhile it carries out when it is back, as a network that was cut would
    deliver it: late.
    """
    node = site.rng.choice(site.system.servers.nodes)
    with site.cache_fault():
        node.pause()
        try:
            site.wait(_NODE_AWAY_SECONDS)
        finally:
            node.resume()


def fail_upstream(site: Site) -> None:
    """Let upstream fail: errors instead of answers, and answers that never arrive."""
    _trouble(site, error_rate=0.9, drop_rate=0.9)


def stall_upstream(site: Site) -> None:
    """Let upstream hang: every request takes longer than anybody waits."""
    _trouble(site, stall_seconds=_STALL_SECONDS)


def lag_upstream(site: Site) -> None:
    """Let upstream answer as of a while ago, though its events come at once."""
    _trouble(site, lag_seconds=_LAG_SECONDS)


def _trouble(site: Site, **faults: float) -> None:
    site.system.control.configure(**faults)
    try:
        site.wait(_UPSTREAM_TROUBLE_SECONDS)
    finally:
        site.system.control.configure(**dict.fromkeys(faults, 0.0))


ALL = tuple(
    Fault(name, happen, what)
    for name, happen, what in (
        ("worker_killed", kill_worker, "SIGKILL in the middle of a task"),
        ("worker_paused", pause_worker, f"stands still for {LEASE_SECONDS + 1} s, past its lease"),
        ("beat_killed", kill_beat, "SIGKILL"),
        ("web_killed", kill_web_somewhere, "SIGKILL at any moment"),
        ("web_killed_before_advance", kill_web_before_advance, "committed, pointer suspended"),
        ("web_killed_before_ring", kill_web_before_ring, "committed, no worker told"),
        ("redis_restarted", restart_redis, f"away for {_REDIS_AWAY_SECONDS:.0f} s, its data lost"),
        ("memcached_restarted", restart_memcached, "all nodes, their data lost"),
        ("memcached_cut", cut_memcached, "one node hangs, and is back with old data"),
        ("upstream_failing", fail_upstream, "500, 502, 503, and answers lost on the way"),
        ("upstream_stalling", stall_upstream, "hangs longer than anybody waits"),
        ("upstream_lagging", lag_upstream, f"{_LAG_SECONDS} s behind its own events"),
    )
)
