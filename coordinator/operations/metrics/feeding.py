"""Feeds the metrics from the hooks of core, upstream and ledger; nothing else counts anything.

Quick, since it happens where the events do: one dictionary finds the function for an event, another
the metric with its labels, which the library would look up, and check, each time. Reads, which come
by the thousand, are only kept here and counted together (`reads`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase

from coordinator import memcached as backends
from coordinator.core import events as core
from coordinator.core import resource
from coordinator.ledger.models import ChangeOutcome
from coordinator.ledger.signals import ChangeEnded, changes_ended, time_ahead
from coordinator.operations.metrics import declared, reads
from coordinator.upstream import events as upstream

BREAKER_STATES: Final[Mapping[str, int]] = {"closed": 0, "half-open": 1, "open": 2}
#: The label of what went well, where it would otherwise name an error.
NONE: Final = "none"

# What the labels will be, so that a series starts at 0 and its first event counts as an increase.
_OUTCOMES = ("hit", "miss", "absent", "denied")
_REFUSALS = ("damaged", "schema", "revision", "expired")
_RESULTS = ("match", "missing", "mismatch", "skipped")

# Any: the library's metrics share a base class, but not what is done to them.
_labelled: dict[tuple[object, ...], Any] = {}
_breakers: dict[str, str] = {}
_shared: dict[str, bool] = {}
_fed = False


def start() -> None:
    """Hear of everything from now on; once for a process, however often it is called."""
    global _fed
    if _fed:
        return
    _fed = True
    for one in resource.registered():
        _begin_at_zero(one.name)
    for kind, count in _OF_CORE.items():
        core.subscribe(count, kind)
    upstream.subscribe(on_upstream)
    backends.observe(on_cache_trouble)
    changes_ended.connect(on_changes_ended, dispatch_uid="coordinator.operations.metrics")
    time_ahead.connect(on_time_ahead, dispatch_uid="coordinator.operations.metrics")


def breakers() -> Mapping[str, str]:
    """Return the state of this process's breakers by ``host:port``, as far as any was used."""
    return dict(_breakers)


# -- the core ----------------------------------------------------------------------------------


def _loaded(event: core.LoadFinished) -> None:
    _of(declared.LOADS, event.resource, event.cause, event.error or NONE).inc(event.count)
    _of(declared.LOAD_SECONDS, event.resource, event.cause).observe(event.seconds)


def _warmed(event: core.EntryWarmed) -> None:
    result = "stored" if event.stored else "refused"
    _of(declared.ENTRIES_STORED, event.resource, event.cause, result).inc()


def _refused(event: core.EntryRefused) -> None:
    _of(declared.ENTRIES_REFUSED, event.resource, event.reason).inc()


def _verified(event: core.EntryVerified) -> None:
    _of(declared.VERIFIED, event.resource, event.result).inc()


def _moved(event: core.PointerMoved) -> None:
    _of(declared.POINTERS_MOVED, event.resource, event.step, event.result).inc()


def _leased(event: core.LeaseTaken) -> None:
    _of(declared.LEASES, event.resource, "granted" if event.granted else "held").inc(event.count)


def _unreachable(event: core.CacheFailed) -> None:
    _of(declared.CACHE_UNREACHABLE, event.operation).inc()


# Any: each function takes the type that it stands beside.
_OF_CORE: Final[Mapping[type, Callable[[Any], None]]] = {
    core.EntryRead: reads.COUNTS.add,
    core.LoadFinished: _loaded,
    core.EntryWarmed: _warmed,
    core.EntryRefused: _refused,
    core.EntryVerified: _verified,
    core.PointerMoved: _moved,
    core.LeaseTaken: _leased,
    core.CacheFailed: _unreachable,
}


def on_cache_trouble(trouble: backends.CacheTrouble) -> None:
    """Count one trouble with a cache node."""
    _of(declared.CACHE_ERRORS, trouble.node, trouble.operation, trouble.kind.value).inc()


# -- upstream ----------------------------------------------------------------------------------


def on_upstream(event: upstream.UpstreamEvent) -> None:
    """Count one event of the way upstream."""
    match event:
        case upstream.RequestFinished():
            _called(event)
        case upstream.BudgetWaited():
            _of(declared.BUDGET_WAIT_SECONDS, event.cause).observe(event.seconds)
            if not event.granted:
                _of(declared.BUDGET_REFUSED, event.cause).inc()
        case upstream.BudgetModeChanged():
            _set_shared(event.host, shared=event.shared)
        case upstream.UpstreamPaused():
            _of(declared.UPSTREAM_PAUSES, event.host).inc()
        case upstream.BreakerChanged():
            _set_breaker(event.host, event.new)


def _called(event: upstream.RequestFinished) -> None:
    status = NONE if event.status is None else f"{event.status // 100}xx"
    _of(declared.UPSTREAM_CALLS, event.cause, status, event.error or NONE).inc()
    _of(declared.UPSTREAM_REQUESTS, event.cause).inc(event.attempts)
    _of(declared.UPSTREAM_CALL_SECONDS, event.cause).observe(event.seconds)
    # Breaker and budget only tell when they change: until then this is how they are.
    if event.host not in _breakers:
        _set_breaker(event.host, "closed")
    if event.host not in _shared:
        _set_shared(event.host, shared=True)


def _set_breaker(host: str, state: str) -> None:
    _breakers[host] = state
    _of(declared.BREAKER_STATE, host).set(BREAKER_STATES[state])


def _set_shared(host: str, *, shared: bool) -> None:
    _shared[host] = shared
    _of(declared.BUDGET_SHARED, host).set(int(shared))


# -- the ledger --------------------------------------------------------------------------------


def on_changes_ended(endings: Sequence[ChangeEnded] = (), **_: object) -> None:
    """Count changes that ended."""
    counts = Counter((ended.resource, ended.outcome) for ended in endings)
    for (name, outcome), count in counts.items():
        _of(declared.CHANGES, name, outcome).inc(count)
    for ended in endings:
        if ended.outcome == ChangeOutcome.WARMED:
            _of(declared.COMMIT_TO_WARM_SECONDS, ended.resource).observe(ended.seconds)


def on_time_ahead(resource: str, **_: object) -> None:
    """Count an event whose time is ahead of our clock."""
    _of(declared.EVENTS_AHEAD, resource).inc()


# -- labels ------------------------------------------------------------------------------------


def _of(metric: MetricWrapperBase, *labels: str) -> Any:
    """Return the metric with these labels: `labels()` itself costs ten times the counting."""
    key = (metric, *labels)
    try:
        return _labelled[key]
    except KeyError:
        return _labelled.setdefault(key, metric.labels(*labels))


def _begin_at_zero(name: str) -> None:
    for outcome in _OUTCOMES:
        _of(declared.READS, name, outcome)
    for reason in _REFUSALS:
        _of(declared.ENTRIES_REFUSED, name, reason)
    for result in _RESULTS:
        _of(declared.VERIFIED, name, result)
    for outcome in ChangeOutcome:
        _of(declared.CHANGES, name, str(outcome))
    _of(declared.COMMIT_TO_WARM_SECONDS, name)
    _of(declared.EVENTS_AHEAD, name)
