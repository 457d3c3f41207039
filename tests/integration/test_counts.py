"""What noise can't touch: how often the cache, the database, the broker and upstream are asked.

The regression guard for docs/performance.md. A number that goes up here is slower everywhere; one
that goes down is to be lowered here too.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from celery.app import trace
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from bench.relay import Relay
from coordinator.celery import doorbell, tasks
from coordinator.core import cache, switches
from coordinator.core.read import Lookup, Outcome, read, read_many
from coordinator.core.resource import Resource
from coordinator.ledger.models import Touch
from coordinator.ledger.recording import record_changes
from coordinator.orders.models import Order
from coordinator.payments.models import Payment
from coordinator.settings import caches
from tests.integration.cache_servers import ring_servers
from tests.integration.payments.tokens import bearer
from tests.servers import MemcachedServer, RedisServer
from tests.support.brokers import Messages, broker
from tests.support.fixtures import receivers_as_they_were, things, upstream
from tests.support.orders import order_event
from tests.support.payments import event, payments_from, record
from tests.support.settling import settle, states
from tests.support.things import Things
from tests.support.upstream import Upstream
from workers.app import app

__all__ = ["receivers_as_they_were", "ring_servers", "things", "upstream"]  # fixtures


class Trips:
    """Counts round trips over all of a cache's nodes."""

    def __init__(self, relays: list[Relay]) -> None:
        self._relays = relays

    @property
    def count(self) -> int:
        return sum(relay.round_trips for relay in self._relays)

    @property
    def connections(self) -> int:
        return sum(relay.connections for relay in self._relays)

    @contextmanager
    def at_most(self, most: int) -> Iterator[None]:
        # How the switches are thrown is asked once a second, by whoever reads first.
        switches.current()
        before = self.count
        yield
        assert self.count - before <= most


@contextmanager
def counted(servers: list[MemcachedServer], settings: Settings, prefix: str) -> Iterator[Trips]:
    """Put relays in front of these nodes, and have the cache use them."""
    with ExitStack() as stack:
        relays = [stack.enter_context(Relay(server.address)) for server in servers]
        settings.CACHES = caches.memcached(
            [relay.address for relay in relays], prefix=prefix, timeout_seconds=60
        )
        yield Trips(relays)


@pytest.fixture
def trips(
    memcached_server: MemcachedServer, settings: Settings, cache_prefix: str
) -> Iterator[Trips]:
    """Count the round trips to one node."""
    with counted([memcached_server], settings, cache_prefix) as trips:
        yield trips


@pytest.fixture
def ring_trips(
    ring_servers: list[MemcachedServer], settings: Settings, cache_prefix: str
) -> Iterator[Trips]:
    """Count the round trips to a ring of three."""
    with counted(ring_servers, settings, cache_prefix) as trips:
        yield trips


# -- reads: round trips ------------------------------------------------------------------------


def test_a_warm_read_takes_one_round_trip(trips: Trips, things: Things) -> None:
    things.warm("A")
    with trips.at_most(1):
        assert read(things.resource, "A").outcome is Outcome.HIT
    assert things.queries == []


def test_a_warm_read_of_an_entry_that_is_remembered_still_asks_for_the_pointer(
    trips: Trips, things: Things
) -> None:
    things.warm("A")
    read(things.resource, "A")
    before = trips.count
    assert read(things.resource, "A").outcome is Outcome.HIT
    assert trips.count - before == 1


def test_a_warm_read_of_an_unlikely_state_takes_one_round_trip_once_it_is_known(
    trips: Trips, things: Things
) -> None:
    things.warm("A", "refunded")
    read(things.resource, "A")
    cache.clear_request_tier()
    with trips.at_most(1):
        read(things.resource, "A")


def test_a_warm_read_on_a_ring_asks_no_more_than_two_nodes(
    ring_trips: Trips, things: Things
) -> None:
    for number in range(20):
        things.warm(f"A{number}")
    for number in range(20):
        with ring_trips.at_most(2):
            assert read(things.resource, f"A{number}").outcome is Outcome.HIT


def test_a_hundred_warm_reads_at_once_take_one_round_trip(trips: Trips, things: Things) -> None:
    names = [f"A{number}" for number in range(100)]
    for name in names:
        things.warm(name)
    with trips.at_most(1):
        found = read_many(things.resource, names)
    assert {type(one) for one in found.values()} == {Lookup}
    assert things.queries == []


def test_a_hundred_warm_reads_at_once_ask_each_node_of_a_ring_once(
    ring_trips: Trips, things: Things
) -> None:
    names = [f"A{number}" for number in range(100)]
    for name in names:
        things.warm(name)
    with ring_trips.at_most(3):
        read_many(things.resource, names)


def test_a_warm_read_leaves_nothing_behind(trips: Trips, things: Things) -> None:
    things.warm("A")

    def reads(times: int) -> None:
        for _ in range(times):
            read(things.resource, "A")
            cache.clear_request_tier()

    # More than the counters keep before they count together.
    reads(600)
    before = sys.getallocatedblocks()
    reads(3_072)
    assert sys.getallocatedblocks() - before < 600


# -- connections -------------------------------------------------------------------------------


@pytest.fixture
def payments(
    sqlite_ledger: None, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Resource]:
    """Have payments loaded from the stand-in, and their ledger on SQLite."""
    with payments_from(upstream, monkeypatch) as registered:
        yield registered


def test_a_thousand_requests_open_no_connection(
    trips: Trips, payments: Resource, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 0
    record("succeeded", at=1)
    settle()
    client = Client(headers=bearer())
    first = client.get("/api/v1/payments/EDX-1/")
    assert first.headers["Cache-Status"].startswith("Coordinator; hit")
    before = trips.connections
    for _ in range(1_000):
        assert client.get("/api/v1/payments/EDX-1/").status_code == 200
    assert trips.connections == before


def test_a_thousand_tasks_open_no_connection(trips: Trips, payments: Resource) -> None:
    task = tasks.settle
    # As a worker runs it, with all that surrounds a task, Django's own closing of caches included.
    # Any: its stubs know neither defaults nor tuples.
    run: Any = trace.build_tracer(task.name, task, app=app)
    run("first", (), {})
    before = trips.connections
    for number in range(1_000):
        run(f"task-{number}", (), {})
    assert trips.connections == before


# -- changes: queries, messages, upstream requests -------------------------------------------------


@pytest.fixture
def messages(redis_server: RedisServer) -> Iterator[Messages]:
    """Let the broker be a real Redis, and return what waits in its queues."""
    with (
        closing(Messages(redis_server.url)) as waiting,
        broker(redis_server.url, global_keyprefix=waiting.prefix),
    ):
        yield waiting


@contextmanager
def queries_at_most(most: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    texts = [query["sql"] for query in captured.captured_queries]
    assert len([text for text in texts if not text.startswith(("BEGIN", "COMMIT"))]) <= most, texts


def test_a_change_takes_four_queries(payments: Resource, messages: Messages) -> None:
    record("processing", at=1)
    with queries_at_most(4):
        record("succeeded", at=2)


def test_a_first_change_takes_one_query_more(payments: Resource, messages: Messages) -> None:
    with queries_at_most(5):
        record("processing", at=1)


def test_a_change_takes_four_round_trips_to_the_cache(
    trips: Trips, payments: Resource, messages: Messages
) -> None:
    record("processing", at=1)
    # The pointer: suspended, asked for, advanced. And the doorbell.
    with trips.at_most(4):
        record("succeeded", at=2)


@pytest.fixture
def shown_in(payments: Resource, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return the function that lets every payment be shown in so many orders."""

    def show(count: int) -> None:
        numbers = [f"ORD-{number}" for number in range(count)]
        record_changes([(Order, order_event(number=number)) for number in numbers])
        touches = [Touch("order", number) for number in numbers]
        monkeypatch.setattr(Payment, "shown_in", lambda self: touches)

    return show


@pytest.mark.parametrize("containers", [1, 10])
def test_a_change_takes_two_queries_more_however_many_containers_show_it(
    shown_in: Callable[[int], None], messages: Messages, containers: int
) -> None:
    shown_in(containers)
    record("processing", at=1)
    # Half as many again as without: the containers' rows are locked, and written.
    with queries_at_most(4 + 2):
        record("succeeded", at=2)


@pytest.mark.parametrize("containers", [1, 10])
def test_a_change_takes_no_more_round_trips_to_the_cache_for_its_containers(
    trips: Trips, shown_in: Callable[[int], None], messages: Messages, containers: int
) -> None:
    shown_in(containers)
    record("processing", at=1)
    # The pointers: suspended, asked for, advanced. And the doorbell.
    with trips.at_most(4):
        record("succeeded", at=2)


def test_many_changes_at_once_take_as_many_round_trips_to_the_cache_as_one(
    trips: Trips, payments: Resource, messages: Messages
) -> None:
    numbers = [f"EDX-{number}" for number in range(50)]
    record_changes([(Payment, event("processing", at=1, number=number)) for number in numbers])
    # The pointers: suspended, asked for, advanced. And the doorbell.
    with trips.at_most(4):
        record_changes([(Payment, event("succeeded", at=2, number=number)) for number in numbers])


def test_many_changes_at_once_take_three_queries_and_one_for_each_row(
    payments: Resource, messages: Messages
) -> None:
    # SQLite takes no more rows of the log in one statement.
    numbers = [f"EDX-{number}" for number in range(20)]
    record_changes([(Payment, event("processing", at=1, number=number)) for number in numbers])
    with queries_at_most(3 + 20):
        record_changes([(Payment, event("succeeded", at=2, number=number)) for number in numbers])


@pytest.mark.parametrize("changes", [1, 50])
def test_a_page_takes_as_many_queries_however_full_it_is(
    payments: Resource, messages: Messages, changes: int
) -> None:
    for number in range(changes):
        record("succeeded", at=1, number=f"EDX-{number}")
    with queries_at_most(3):
        settle()
    assert states() == {"warmed": changes}


def test_a_burst_of_changes_sends_one_message(payments: Resource, messages: Messages) -> None:
    doorbell.clear()
    for second in range(100):
        record("processing", at=second, number=f"EDX-{second % 10}")
    assert messages.waiting() == 1


def test_a_burst_of_events_on_one_payment_costs_one_upstream_request(
    payments: Resource, upstream: Upstream, messages: Messages
) -> None:
    for second in range(100):
        record("processing", at=second)
    settle()
    assert len(upstream.calls) == 1
    assert states() == {"superseded": 99, "warmed": 1}
