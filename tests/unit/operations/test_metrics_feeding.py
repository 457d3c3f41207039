"""Each event of the hooks is counted once, under labels from closed sets."""

from collections.abc import Mapping

import pytest

from coordinator import memcached as backends
from coordinator.core import events as core
from coordinator.ledger.signals import ChangeEnded, changes_ended
from coordinator.memcached.observing import report
from coordinator.operations.metrics import exposing, feeding
from coordinator.upstream import events as upstream
from tests.support.metrics import value

SECRET = "EDX-SECRET"
HOST = "api.example.org:443"


def entry(state: str = "paid") -> str:
    return f"thing.{SECRET}.{state}"


def load(error: str = "", count: int = 1) -> core.LoadFinished:
    return core.LoadFinished("thing", "event", 0.2, count, error)


OF_CORE: list[tuple[core.CoreEvent, str, Mapping[str, str], float]] = [
    (
        core.EntryRead("thing", entry(), "hit", False, False, 0.001),
        "coordinator_reads_total",
        {"resource": "thing", "outcome": "hit"},
        1,
    ),
    (
        core.EntryRead("thing", entry(), "miss", True, False, 0.25),
        "coordinator_read_seconds_sum",
        {"resource": "thing", "outcome": "miss"},
        0.25,
    ),
    (
        core.EntryRead("thing", entry(), "hit", True, False, 0.001),
        "coordinator_reads_from_ledger_total",
        {"resource": "thing"},
        1,
    ),
    (
        core.EntryRead("thing", entry(), "miss", False, True, 0.001),
        "coordinator_reads_collapsed_total",
        {"resource": "thing"},
        1,
    ),
    (
        load(),
        "coordinator_loads_total",
        {"resource": "thing", "cause": "event", "error": "none"},
        1,
    ),
    (
        load("upstream_timeout", count=50),
        "coordinator_loads_total",
        {"resource": "thing", "cause": "event", "error": "upstream_timeout"},
        50,
    ),
    (
        load(count=50),
        "coordinator_load_seconds_count",
        {"resource": "thing", "cause": "event"},
        1,
    ),
    (
        core.EntryWarmed("thing", entry(), 3, "beat", True),
        "coordinator_entries_stored_total",
        {"resource": "thing", "cause": "beat", "result": "stored"},
        1,
    ),
    (
        core.EntryWarmed("thing", entry(), 3, "beat", False),
        "coordinator_entries_stored_total",
        {"resource": "thing", "cause": "beat", "result": "refused"},
        1,
    ),
    (
        core.EntryRefused("thing", entry(), "damaged"),
        "coordinator_entries_refused_total",
        {"resource": "thing", "reason": "damaged"},
        1,
    ),
    (
        core.EntryVerified("thing", SECRET, "mismatch"),
        "coordinator_verified_total",
        {"resource": "thing", "result": "mismatch"},
        1,
    ),
    (
        core.PointerMoved("thing", SECRET, "advance", "advanced"),
        "coordinator_pointers_moved_total",
        {"resource": "thing", "step": "advance", "result": "advanced"},
        1,
    ),
    (
        core.LeaseTaken("thing", False),
        "coordinator_leases_total",
        {"resource": "thing", "result": "held"},
        1,
    ),
    (
        core.CacheFailed("get_many"),
        "coordinator_cache_unreachable_total",
        {"operation": "get_many"},
        1,
    ),
]


@pytest.mark.parametrize(
    ("event", "name", "labels", "amount"),
    OF_CORE,
    ids=[f"{type(row[0]).__name__}-{row[1]}" for row in OF_CORE],
)
def test_an_event_of_the_core_is_counted_once(
    event: core.CoreEvent, name: str, labels: Mapping[str, str], amount: float
) -> None:
    before = value(name, **labels)
    core.emit(event)
    assert value(name, **labels) == pytest.approx(before + amount)


def finished(
    status: int | None = 200, attempts: int = 1, error: str = ""
) -> upstream.UpstreamEvent:
    return upstream.RequestFinished("read", "GET", HOST, status, 0.1, attempts, error)


OF_UPSTREAM: list[tuple[upstream.UpstreamEvent, str, Mapping[str, str], float]] = [
    (
        finished(),
        "coordinator_upstream_calls_total",
        {"cause": "read", "status": "2xx", "error": "none"},
        1,
    ),
    (
        finished(503, 3, "upstream_unavailable"),
        "coordinator_upstream_calls_total",
        {"cause": "read", "status": "5xx", "error": "upstream_unavailable"},
        1,
    ),
    (finished(None, 3), "coordinator_upstream_requests_total", {"cause": "read"}, 3),
    (
        finished(None, 0, "upstream_circuit_open"),
        "coordinator_upstream_calls_total",
        {"cause": "read", "status": "none", "error": "upstream_circuit_open"},
        1,
    ),
    (finished(), "coordinator_upstream_call_seconds_sum", {"cause": "read"}, 0.1),
    (
        upstream.BudgetWaited("beat", HOST, 0.5, True),
        "coordinator_upstream_budget_wait_seconds_sum",
        {"cause": "beat"},
        0.5,
    ),
    (
        upstream.BudgetWaited("beat", HOST, 0.5, True),
        "coordinator_upstream_budget_refused_total",
        {"cause": "beat"},
        0,
    ),
    (
        upstream.BudgetWaited("beat", HOST, 0.0, False),
        "coordinator_upstream_budget_refused_total",
        {"cause": "beat"},
        1,
    ),
    (
        upstream.UpstreamPaused(HOST, 3),
        "coordinator_upstream_pauses_total",
        {"upstream": HOST},
        1,
    ),
]


@pytest.mark.parametrize(
    ("event", "name", "labels", "amount"),
    OF_UPSTREAM,
    ids=[f"{type(row[0]).__name__}-{row[1]}" for row in OF_UPSTREAM],
)
def test_an_event_on_the_way_upstream_is_counted_once(
    event: upstream.UpstreamEvent, name: str, labels: Mapping[str, str], amount: float
) -> None:
    before = value(name, **labels)
    upstream.emit(event)
    assert value(name, **labels) == pytest.approx(before + amount)


def test_the_breaker_is_what_it_became_last() -> None:
    host = "breaker.example.org:443"
    seen = []
    for old, new in (("closed", "open"), ("open", "half-open"), ("half-open", "closed")):
        upstream.emit(upstream.BreakerChanged(host, old, new))
        seen.append(value("coordinator_breaker_state", upstream=host))
    assert seen == [2, 1, 0]
    assert feeding.breakers()[host] == "closed"


def test_what_tells_only_of_changes_is_known_from_the_first_call_on() -> None:
    host = "first.example.org:443"
    upstream.emit(upstream.RequestFinished("read", "GET", host, 200, 0.1, 1))
    assert value("coordinator_upstream_budget_shared", upstream=host) == 1
    assert feeding.breakers()[host] == "closed"


def test_the_first_call_does_not_hide_what_was_told_before_it() -> None:
    host = "cut-off.example.org:443"
    upstream.emit(upstream.BudgetModeChanged(host, shared=False))
    upstream.emit(upstream.BreakerChanged(host, "closed", "open"))
    upstream.emit(upstream.RequestFinished("read", "GET", host, None, 0.1, 1, "upstream_timeout"))
    assert value("coordinator_upstream_budget_shared", upstream=host) == 0
    assert value("coordinator_breaker_state", upstream=host) == 2


def test_a_trouble_with_a_cache_node_is_counted_by_node_operation_and_kind() -> None:
    labels = {"node": "cache-1:11211", "operation": "get_many", "kind": "timeout"}
    before = value("coordinator_cache_errors_total", **labels)
    report("cache-1:11211", "get_many", backends.Trouble.TIMEOUT)
    assert value("coordinator_cache_errors_total", **labels) == before + 1


def test_only_a_change_that_was_warmed_says_how_long_that_took() -> None:
    def counted() -> tuple[float, ...]:
        return (
            value("coordinator_changes_total", resource="thing", outcome="warmed"),
            value("coordinator_changes_total", resource="thing", outcome="superseded"),
            value("coordinator_commit_to_warm_seconds_count", resource="thing"),
            value("coordinator_commit_to_warm_seconds_sum", resource="thing"),
        )

    before = counted()
    endings = [
        ChangeEnded("thing", "warmed", "", 1.5),
        ChangeEnded("thing", "superseded", "by revision 3", 7.0),
    ]
    changes_ended.send(sender=None, endings=endings)
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1, 1.5]


def test_starting_twice_counts_nothing_twice() -> None:
    feeding.start()
    feeding.start()
    labels = {"resource": "thing", "reason": "schema"}
    before = value("coordinator_entries_refused_total", **labels)
    core.emit(core.EntryRefused("thing", entry(), "schema"))
    assert value("coordinator_entries_refused_total", **labels) == before + 1


def test_no_identifier_is_shown() -> None:
    for event, *_ in OF_CORE:
        core.emit(event)
    assert SECRET not in exposing.expose(asking=False).body.decode()


def test_what_is_registered_begins_at_zero() -> None:
    shown = exposing.expose(asking=False).body.decode()
    for line in (
        'coordinator_verified_total{resource="payment",result="mismatch"}',
        'coordinator_changes_total{outcome="abandoned",resource="payment"}',
        'coordinator_reads_total{outcome="denied",resource="payment"}',
    ):
        assert f"\n{line} " in shown
