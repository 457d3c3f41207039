"""Every metric that processes feed themselves, by name, with its labels.

Labels have few values, all from closed sets or from the configuration: never an identifier, an
owner, or the text of an error. Names follow Prometheus' conventions: ``_total`` counts, and
``_seconds`` measures time.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from coordinator.operations.metrics.histograms import BatchHistogram

# A second series for each counter, that says when its process began, is not used.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's

#: Ours alone: what another library counts in the default registry is not shown.
REGISTRY: Final = CollectorRegistry()

_READ_BUCKETS = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_UPSTREAM_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WARM_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(name, documentation, labels, registry=REGISTRY)


def _histogram(
    name: str, documentation: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    return Histogram(name, documentation, labels, registry=REGISTRY, buckets=buckets)


# -- reading -----------------------------------------------------------------------------------

READS = _counter(
    "coordinator_reads_total", "Reads by outcome: hit, miss, absent, denied.", "resource", "outcome"
)
READ_SECONDS = BatchHistogram(
    "coordinator_read_seconds",
    "What a read took.",
    ("resource", "outcome"),
    registry=REGISTRY,
    buckets=_READ_BUCKETS,
)
READS_FROM_LEDGER = _counter(
    "coordinator_reads_from_ledger_total",
    "Reads that had to ask the ledger, because no pointer could answer.",
    "resource",
)
READS_COLLAPSED = _counter(
    "coordinator_reads_collapsed_total",
    "Misses that waited for another reader's or worker's load.",
    "resource",
)
ENTRIES_REFUSED = _counter(
    "coordinator_entries_refused_total",
    "Entries that were there and not used: damaged, schema, revision, expired.",
    "resource",
    "reason",
)

# -- loading and storing -----------------------------------------------------------------------

LOADS = _counter(
    "coordinator_loads_total",
    "Things asked of upstream, by cause, and by the error's reason (none: it answered).",
    "resource",
    "cause",
    "error",
)
LOAD_SECONDS = _histogram(
    "coordinator_load_seconds",
    "What a load took, with its waiting and its retries; one in bulk counts once.",
    _UPSTREAM_BUCKETS,
    "resource",
    "cause",
)
ENTRIES_STORED = _counter(
    "coordinator_entries_stored_total",
    "Entries, loaded or carried by their event (cause): stored, or refused (a newer one is there).",
    "resource",
    "cause",
    "result",
)
POINTERS_MOVED = _counter(
    "coordinator_pointers_moved_total",
    "Pointers suspended, advanced or seeded, and how that went.",
    "resource",
    "step",
    "result",
)
LEASES = _counter(
    "coordinator_leases_total",
    "Leases asked for: granted, or held by others.",
    "resource",
    "result",
)
VERIFIED = _counter(
    "coordinator_verified_total",
    "Entries compared with ledger and upstream: match, missing, mismatch, skipped.",
    "resource",
    "result",
)

# -- settling ----------------------------------------------------------------------------------

CHANGES = _counter(
    "coordinator_changes_total",
    "Changes that ended: warmed, superseded, out_of_date, abandoned.",
    "resource",
    "outcome",
)
EVENTS_AHEAD = _counter(
    "coordinator_events_ahead_total",
    "Events whose time is ahead of our clock by more than the tolerance: it ordered nothing.",
    "resource",
)
COMMIT_TO_WARM_SECONDS = _histogram(
    "coordinator_commit_to_warm_seconds",
    "From a change's recording until its entry was warm.",
    _WARM_BUCKETS,
    "resource",
)

# -- the way upstream --------------------------------------------------------------------------

UPSTREAM_CALLS = _counter(
    "coordinator_upstream_calls_total",
    "Calls, each with all its attempts, by the last status (2xx, 4xx, 5xx, none) and the error.",
    "cause",
    "status",
    "error",
)
UPSTREAM_REQUESTS = _counter(
    "coordinator_upstream_requests_total",
    "Requests that upstream saw: what a budget is about.",
    "cause",
)
UPSTREAM_CALL_SECONDS = _histogram(
    "coordinator_upstream_call_seconds",
    "What a call took, with all its attempts.",
    _UPSTREAM_BUCKETS,
    "cause",
)
BUDGET_WAIT_SECONDS = _histogram(
    "coordinator_upstream_budget_wait_seconds",
    "How long calls waited for their turn that did not have it at once.",
    _UPSTREAM_BUCKETS,
    "cause",
)
BUDGET_REFUSED = _counter(
    "coordinator_upstream_budget_refused_total", "Calls that the budget did not let out.", "cause"
)
BUDGET_SHARED = Gauge(
    "coordinator_upstream_budget_shared",
    "1 while a process counts together with the others, 0 while it keeps to its own share.",
    ["upstream"],
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
UPSTREAM_PAUSES = _counter(
    "coordinator_upstream_pauses_total", "How often upstream asked for silence.", "upstream"
)
BREAKER_STATE = Gauge(
    "coordinator_breaker_state",
    "The circuit breaker: 0 closed, 1 half-open, 2 open; of several processes the worst.",
    ["upstream"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)

# -- the cache's servers -----------------------------------------------------------------------

CACHE_ERRORS = _counter(
    "coordinator_cache_errors_total",
    "Troubles with a cache node: timeout, unreachable, closed, protocol, resting, refused, and "
    "foreign bytes.",
    "node",
    "operation",
    "kind",
)
CACHE_UNREACHABLE = _counter(
    "coordinator_cache_unreachable_total",
    "Operations of the core that went on without the cache.",
    "operation",
)

# -- processes ---------------------------------------------------------------------------------

HEARTBEAT = Gauge(
    "coordinator_heartbeat_timestamp_seconds",
    "When a worker, or the beat, last showed that it lives.",
    ["role"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
