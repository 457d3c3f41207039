"""What one payment, one request and one change cost, in bytes and in processor time.

Processor time is what docs/growing.md computes with: other work on the machine makes it a little
longer, but does not count as ours, which it does in wall time.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from itertools import count
from typing import Any

import psutil
from django.db import connection
from pymemcache.client.base import Client as Memcached

from bench import ledgers, things
from bench.caches import on_nodes
from bench.figures import Figure, counted
from bench.http import Client, ask_together
from bench.options import Options
from bench.site import Program, Site, wait_until
from bench.tokens import token
from coordinator.celery import doorbell
from coordinator.core import resource
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment
from tools.servers.programs import MemcachedServer

_GROUP = "capacity"
_SIZES = (600, 2_000, 10_000)
_WARM = "/api/v1/payments/GET-0/"
_THREADS = 16


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures; all of them are counted, and compared with nothing."""
    return [
        *_bytes_in_memcached(site, 2_000),
        *_requests(site, options.of(1_000, 4_000)),
        *_changes(site, options.of(500, 2_000)),
        *_settling(site, options.of(4_000, 8_000)),
        *_bytes_in_ledger(),
    ]


def _bytes_in_memcached(site: Site, many: int) -> Iterable[Figure]:
    """Yield how much memory a warm payment takes, entry and pointer, with all that goes with it."""
    of = resource.get("payment")
    for size in _SIZES:
        with MemcachedServer(site.directory) as node, on_nodes([node.address]):
            things.put_warm(of, things.numbers(many, f"SIZE-{size}"), size)
            with closing(Memcached(node.address, timeout=5)) as client:
                slabs = client.stats("slabs")
        used = sum(
            int(value) * int(slabs[name.replace(b"used_chunks", b"chunk_size")])
            for name, value in slabs.items()
            if name.endswith(b":used_chunks")
        )
        yield counted(
            _GROUP, f"bytes in memcached of a warm payment of {size:,} bytes", used / many
        )


def _requests(site: Site, many: int) -> Iterable[Figure]:
    things.put_warm(resource.get("payment"), ["GET-0"], 600)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(site.web, _WARM, token())) for _ in range(_THREADS)]
        ask_together(clients, 10 * _THREADS)
        spent = _spent(site, site.web_program, lambda: ask_together(clients, many))
        yield from _each("GET of a warm payment", spent, many)
        for server, port in (
            ("a node", site.node.port),
            ("PostgreSQL", site.servers.database.port),
        ):
            yield counted(
                _GROUP,
                f"connections to {server}, {_THREADS} web threads busy",
                _connections_of(site.web_program, port),
            )
    yield counted(_GROUP, "MB of a web process", _megabytes(site.web_program))


def _changes(site: Site, many: int) -> Iterable[Figure]:
    ledgers.empty()
    serial = count(1)
    names = things.numbers(100, "CHANGE")

    def record() -> None:
        for index in range(many):
            record_change(Payment, things.event(names[index % len(names)], next(serial)))

    with site.worker.held():
        record()
        yield from _each("record_change", _spent(site, None, record), many)
    wait_until(ledgers.settled, seconds=300)


def _settling(site: Site, many: int) -> Iterable[Figure]:
    spent: dict[str, float] = {}
    # The first time warms up.
    for series in ("WARMUP", "SETTLE"):
        ledgers.empty()
        with site.worker.held():
            ledgers.fill(things.numbers(many, series))
            doorbell.clear()
            doorbell.ring()

        def settle() -> None:
            wait_until(ledgers.settled, seconds=300)

        spent = _spent(site, site.worker, settle)
    yield from _each("settling a change, in pages", spent, many)
    yield counted(_GROUP, "MB of a worker, 8 threads", _megabytes(site.worker))
    yield counted(
        _GROUP,
        "connections of a worker to PostgreSQL, 8 threads",
        _connections_of(site.worker, site.servers.database.port),
    )


def _bytes_in_ledger() -> Iterable[Figure]:
    ledgers.empty()
    many = 10_000
    ledgers.fill(things.numbers(many, "ROWS"))
    with connection.cursor() as cursor:
        for table, what in ((ledgers.PAYMENTS, "payment"), (ledgers.CHANGES, "change")):
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
            yield counted(
                _GROUP, f"bytes in PostgreSQL of a {what}, indexes included", _one(cursor) / many
            )


def _one(cursor: Any) -> int:
    [value] = cursor.fetchone()
    return int(value)


def _each(what: str, spent: dict[str, float], times: int) -> Iterable[Figure]:
    for where, seconds in spent.items():
        yield Figure(_GROUP, f"{what}: {where}", 1e6 * seconds / times, "µs", 1e6 * seconds / times)


def _spent(site: Site, program: Program | None, work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of processor time that `work` takes, by who spends it.

    `program` is whose time is asked for; None for this process's own.
    """
    parts = {
        "our process": [program.process.pid if program else psutil.Process().pid],
        "PostgreSQL": [site.servers.database.pid],
        "memcached": [node.pid for node in site.servers.nodes],
        "Redis": [site.servers.redis.pid],
    }
    before = {name: _cpu(pids) for name, pids in parts.items()}
    work()
    return {name: _cpu(pids) - before[name] for name, pids in parts.items()}


def _cpu(pids: Iterable[int]) -> float:
    """Return the processor time of these processes and all below them, also of those that ended.

    PostgreSQL has a process for each connection, and some end meanwhile.
    """
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _family(program: Program) -> list[psutil.Process]:
    process = psutil.Process(program.process.pid)
    return [process, *process.children(recursive=True)]


def _connections_of(program: Program, port: int) -> int:
    open_now = [one for process in _family(program) for one in process.net_connections("tcp")]
    # The address is empty, without a port, where it listens.
    return [getattr(one.raddr, "port", 0) for one in open_now].count(port)


def _megabytes(program: Program) -> float:
    # What is shared counts once: a server's children share most of its code.
    return sum(one.memory_full_info().pss for one in _family(program)) / 2**20
