"""The faults: what each does, until its cause is gone. What comes of it is not for them to say.

Each takes the site, raises NotInjected if it found no occasion, and leaves nothing broken behind:
what it stopped runs again or is started again by the supervisor, as an orchestrator would.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import connection

from tools.chaos import dying, tuning
from tools.chaos.dying import Moment
from tools.chaos.names import Name
from tools.chaos.site import Site
from tools.chaos.slow_senders import SlowSenders
from tools.servers.redis import RedisServer

_OCCASION_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its name, and what it does to the site."""

    name: Name
    happen: Callable[[Site], None]


def kill_worker(site: Site) -> None:
    """Kill a worker that is settling changes; the supervisor starts it again."""
    site.busy_worker(_OCCASION_SECONDS).kill()


def pause_worker(site: Site) -> None:
    """Let a worker stand still with the leases that it holds, until those have run out."""
    worker = site.busy_worker(_OCCASION_SECONDS)
    worker.pause()
    try:
        site.wait(tuning.PAUSE_SECONDS)
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
        site.wait(tuning.REDIS_AWAY_SECONDS)
    finally:
        redis.restart()


def make_primary_read_only(site: Site) -> None:
    """Let the primary take no writes for a while, as one does that has become a replica."""
    _let_writes(allowed=False)
    try:
        site.wait(tuning.PRIMARY_READ_ONLY_SECONDS)
    finally:
        _let_writes(allowed=True)


def _let_writes(*, allowed: bool) -> None:
    """Have every session of PostgreSQL take writes, or refuse them, from now on."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER SYSTEM SET default_transaction_read_only = {'off' if allowed else 'on'}"
        )
        cursor.execute("SELECT pg_reload_conf()")


def fail_over_redis(site: Site) -> None:
    """Let another Redis be the master for a while, at whose address no program asks, then this one.

    As where an address follows the master, late.
    """
    redis = site.system.servers.redis
    with RedisServer(site.system.directory) as other:
        other.follow(redis)
        site.wait_until(other.in_step, _OCCASION_SECONDS, "the replica got no copy in time")
        other.lead()
        redis.follow(other)
        try:
            site.wait(tuning.REDIS_AWAY_SECONDS)
        finally:
            redis.lead()


def hang_redis(site: Site) -> None:
    """Let Redis answer nothing, its connections open, while readers find entries due."""
    redis = site.system.servers.redis
    redis.pause()
    try:
        site.wait(tuning.REDIS_HUNG_SECONDS)
    finally:
        redis.resume()


def restart_memcached(site: Site) -> None:
    """Kill all memcached nodes and start them again with nothing in them."""
    nodes = site.system.servers.nodes
    with site.cache_fault(*nodes):
        for node in nodes:
            node.kill()
        for node in nodes:
            node.restart()


def cut_memcached(site: Site) -> None:
    """Let one node answer no request for a while, and come back with all that it held before.

    What was sent to it meanwhile it carries out when it is back, as a network that was cut would
    deliver it: late.
    """
    node = site.rng.choice(site.system.servers.nodes)
    with site.cache_fault(node):
        node.pause()
        try:
            site.wait(tuning.NODE_AWAY_SECONDS)
        finally:
            node.resume()


def slow_senders(site: Site) -> None:
    """Let more senders than there are threads send webhooks one byte at a time.

    Nothing stands before the web servers here: it is their own share of threads that is tried.
    """
    where = urlsplit(site.system.url)
    with SlowSenders(
        str(where.hostname), where.port or 80, many=tuning.SLOW_SENDERS, path="/webhooks/stripe/"
    ):
        site.wait(tuning.SLOW_SENDERS_SECONDS)


def fail_upstream(site: Site) -> None:
    """Let upstream fail: errors instead of answers, and answers that never arrive."""
    _trouble(site, error_rate=0.9, drop_rate=0.9)


def stall_upstream(site: Site) -> None:
    """Let upstream hang: every request takes longer than anybody waits."""
    _trouble(site, stall_seconds=tuning.STALL_SECONDS)


def lag_upstream(site: Site) -> None:
    """Let upstream answer as of a while ago, though its events come at once."""
    _trouble(site, lag_seconds=tuning.LAG_SECONDS)


def _trouble(site: Site, **faults: float) -> None:
    site.system.control.configure(**faults)
    try:
        site.wait(tuning.UPSTREAM_TROUBLE_SECONDS)
    finally:
        site.system.control.configure(**dict.fromkeys(faults, 0.0))


ALL = (
    Fault(Name.WORKER_KILLED, kill_worker),
    Fault(Name.WORKER_PAUSED, pause_worker),
    Fault(Name.BEAT_KILLED, kill_beat),
    Fault(Name.WEB_KILLED, kill_web_somewhere),
    Fault(Name.WEB_KILLED_BEFORE_ADVANCE, kill_web_before_advance),
    Fault(Name.WEB_KILLED_BEFORE_RING, kill_web_before_ring),
    Fault(Name.REDIS_RESTARTED, restart_redis),
    Fault(Name.PRIMARY_READ_ONLY, make_primary_read_only),
    Fault(Name.REDIS_FAILED_OVER, fail_over_redis),
    Fault(Name.REDIS_HUNG, hang_redis),
    Fault(Name.MEMCACHED_RESTARTED, restart_memcached),
    Fault(Name.MEMCACHED_CUT, cut_memcached),
    Fault(Name.SENDERS_SLOW, slow_senders),
    Fault(Name.UPSTREAM_FAILING, fail_upstream),
    Fault(Name.UPSTREAM_STALLING, stall_upstream),
    Fault(Name.UPSTREAM_LAGGING, lag_upstream),
)
