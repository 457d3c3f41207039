"""What noise can't touch: round trips, connections, messages, upstream requests. Counted."""

from collections.abc import Callable
from contextlib import ExitStack, closing

from pymemcache.client.base import Client as Memcached

from bench import ledgers, things
from bench.caches import on_nodes
from bench.figures import Figure, at_most, counted
from bench.http import Client
from bench.options import Options
from bench.relay import Relay
from bench.site import Site, wait_until
from bench.tasks import ask_django, ask_ours
from bench.tokens import token
from coordinator.core import cache, resource
from coordinator.core.read import read
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment

_BURST = 200


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    many = options.of(500, 10_000)
    return [
        counted("counts", "round trips of a warm read, one node", _trips(site, 1), at_most(1)),
        counted("counts", "round trips of a warm read, ring of three", _trips(site, 3), at_most(2)),
        *_connections(site, many),
        *_burst(site),
    ]


def _trips(site: Site, nodes: int) -> float:
    """Return the most round trips that any of a hundred warm reads takes."""
    of = resource.get("payment")
    names = things.numbers(100, f"TRIPS{nodes}")
    with ExitStack() as stack:
        relays = [stack.enter_context(Relay(address)) for address in site.ring[:nodes]]
        stack.enter_context(on_nodes([relay.address for relay in relays]))
        things.put_warm(of, names, 600)
        cache.clear_request_tier()
        # How the switches are thrown is asked once a second, by each process.
        read(of, names[0])
        most = 0
        for name in names[1:]:
            before = sum(relay.round_trips for relay in relays)
            read(of, name)
            most = max(most, sum(relay.round_trips for relay in relays) - before)
    return most


def _connections(site: Site, many: int) -> list[Figure]:
    things.put_warm(resource.get("payment"), ["GET-0"], 600)

    def requests(path: str) -> Callable[[int], None]:
        def ask(times: int) -> None:
            with Client(site.web, path, token()) as client:
                client.ask(times)

        return ask

    def tasks(task: "Callable[..., object]") -> Callable[[int], None]:
        def run(times: int) -> None:
            site.worker.resident_bytes()
            for _ in range(times):
                task("GET-0")
            wait_until(lambda: site.waiting() == 0, seconds=120)

        return run

    def opened(what: Callable[[int], None]) -> float:
        what(256)
        with closing(Memcached(site.node.address, timeout=5)) as client:
            before = client.stats()[b"total_connections"]
            what(many)
            return float(client.stats()[b"total_connections"] - before)

    goal = at_most(0)
    return [
        counted("counts", f"connections in {many:,} requests", opened(requests(_OURS)), goal),
        counted("counts", "  Django's backend as it comes", opened(requests(_DJANGOS))),
        counted("counts", f"connections in {many:,} tasks", opened(tasks(ask_ours.delay)), goal),
        counted("counts", "  Django's backend as it comes", opened(tasks(ask_django.delay))),
    ]


_OURS, _DJANGOS = "/bench/ours/GET-0", "/bench/django/GET-0"


def _burst(site: Site) -> list[Figure]:
    """Return what a burst of events on one payment costs upstream and the broker."""
    ledgers.empty()
    before = (site.collected() or {})["requests"]
    serial = 0
    with site.worker.held():
        for serial in range(1, _BURST + 1):
            record_change(Payment, things.event("BURST-0", serial))
        messages = site.waiting()
    wait_until(ledgers.settled)
    held = (site.collected() or {})["requests"] - before
    for serial in range(_BURST + 1, 2 * _BURST + 1):
        record_change(Payment, things.event("BURST-0", serial))
    wait_until(ledgers.settled)
    after = (site.collected() or {})["requests"] - before - held
    for serial in range(2 * _BURST + 1, 3 * _BURST + 1):
        record_change(Payment, things.event("BURST-0", serial, carries=True))
    wait_until(ledgers.settled)
    carried = (site.collected() or {})["requests"] - before - held - after
    return [
        counted(
            "counts", f"upstream requests for {_BURST} events that came at once", held, at_most(2)
        ),
        counted("counts", "messages for them", messages, at_most(2)),
        counted(
            "counts",
            f"upstream requests for {_BURST} events as they come",
            carried,
            at_most(2),
        ),
        counted("counts", "  where they don't carry their entry", after),
    ]
