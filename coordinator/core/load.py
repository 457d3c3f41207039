"""Loads from upstream: one in the caller's thread, many in bulk or on a pool of threads.

Threads, because a load waits for the network: they kept up with 64 concurrent calls to a slow
upstream in measurements. An error becomes a value here, so that one identifier's trouble never
reaches the others.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from coordinator import causes
from coordinator.core import clock, conf, events
from coordinator.core.resource import Loaded, LoadMany, LoadResult, Resource, Standing
from coordinator.errors import CoordinatorError


class LoadFailed(CoordinatorError):
    """Loading raised something unforeseen: a bug here, or a payload of an unforeseen shape."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a load brought: when it began (seconds since the epoch), and what it took."""

    result: LoadResult
    began: float
    seconds: float


def batches(
    resource: Resource, standings: Mapping[str, Standing]
) -> Iterator[Mapping[str, Standing]]:
    """Yield `standings` in batches that can be loaded in the time of one upstream call.

    The leases of a batch are held while it is loaded. A load that waited in a queue would outlive
    its lease, and its readers would wait for a load that has not begun.
    """
    size = int(conf.number("LOAD_CONCURRENCY")) if resource.load_many is None else len(standings)
    names = iter(standings)
    while batch := list(islice(names, size)):
        yield {name: standings[name] for name in batch}


def fetch(
    resource: Resource, wanted: Mapping[str, Standing], cause: str
) -> Iterator[tuple[str, Fetched]]:
    """Yield what upstream says of each of `wanted`, or the error that it met, as answers come in.

    `cause` (read, event, beat, backfill) is for the budget and the metrics.
    """
    for together in fetch_together(resource, wanted, cause):
        yield from together.items()


def fetch_together(
    resource: Resource, wanted: Mapping[str, Standing], cause: str
) -> Iterator[Mapping[str, Fetched]]:
    """Yield what `fetch` does, by what came in together: in one answer, or at one moment."""
    if resource.load_many is not None and len(wanted) > 1:
        fetched = _in_bulk(resource.name, resource.load_many, wanted, cause)
        if fetched:
            yield fetched
        # Any one of them can have spoilt the request for all: those without an answer are asked for
        # one by one.
        wanted = {name: standing for name, standing in wanted.items() if name not in fetched}
    if len(wanted) <= 1:
        for name, standing in wanted.items():
            yield {name: _one(resource, name, standing, cause)}
        return
    pool = _pool(os.getpid(), int(conf.number("LOAD_CONCURRENCY")))
    # Each load takes the caller's context along: its correlation id, its cause.
    running = {
        pool.submit(copy_context().run, _one, resource, name, standing, cause): name
        for name, standing in wanted.items()
    }
    awaited = set(running)
    while awaited:
        done, awaited = wait(awaited, return_when=FIRST_COMPLETED)
        yield {running[future]: future.result() for future in done}


def _one(resource: Resource, identifier: str, standing: Standing, cause: str) -> Fetched:
    began, start = clock.current().now(), clock.current().monotonic()
    result: LoadResult
    try:
        with causes.cause(cause):
            result = resource.load(identifier, standing)
    except CoordinatorError as error:
        result = error
    except Exception as error:  # noqa: BLE001  # one poisoned payload must not stop the others
        result = _unforeseen(error)
    seconds = clock.current().monotonic() - start
    events.emit(events.LoadFinished(resource.name, cause, seconds, 1, _reason(result)))
    return Fetched(result, began, seconds)


def _in_bulk(
    name: str, load_many: LoadMany, wanted: Mapping[str, Standing], cause: str
) -> dict[str, Fetched]:
    """Return what one request told; those that it left out are missing."""
    began, start = clock.current().now(), clock.current().monotonic()
    results: Mapping[str, LoadResult] = {}
    failure: CoordinatorError | None = None
    try:
        with causes.cause(cause):
            results = load_many(wanted)
    except CoordinatorError as error:
        failure = error
        if not error.permanent:
            # Upstream's own trouble: asking for each would only add to it.
            results = dict.fromkeys(wanted, error)
    except Exception as error:  # noqa: BLE001  # as above
        failure = _unforeseen(error)
    seconds = clock.current().monotonic() - start
    worst = failure or next((r for r in results.values() if isinstance(r, CoordinatorError)), None)
    events.emit(
        events.LoadFinished(
            name, cause, seconds, len(wanted), "" if worst is None else worst.reason
        )
    )
    return {one: Fetched(results[one], began, seconds) for one in wanted if one in results}


def _unforeseen(error: Exception) -> LoadFailed:
    # The kind alone: an exception's text may quote the payload.
    failed = LoadFailed(type(error).__name__)
    failed.__cause__ = error
    return failed


def _reason(result: LoadResult) -> str:
    return "" if isinstance(result, Loaded) else result.reason


@lru_cache(maxsize=1)
def _pool(pid: int, size: int) -> ThreadPoolExecutor:
    # One a process: the pid in the key gives a forked child its own, whose threads are alive.
    return ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"load-{pid}")
