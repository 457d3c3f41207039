"""A fresh change in a long backlog: how soon it is warm, with single loads of 50 ms."""

import os
from statistics import median
from time import perf_counter

from django.db.models import Min

from bench import ledgers, things
from bench.figures import Figure, at_least, at_most, counted
from bench.options import Options
from bench.site import WORKER, Program, Site, wait_until
from coordinator.celery import doorbell
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment

_GROUP = "backlog"


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures of one worker, which has this core together with all of its servers."""
    size = options.of(5_000, 50_000)
    ledgers.empty()
    ledgers.fill(things.numbers(size, "OLD"), "slow")
    single = {**os.environ, "COORDINATOR_PROVIDER": "bench.provider.SingleLoads"}
    worker = Program("single-worker", WORKER.split(), site.directory, single)
    try:
        doorbell.clear()
        doorbell.ring()
        wait_until(lambda: _unsettled() < size - 500)
        oldest, left, began = _oldest(), _unsettled(), perf_counter()
        waits = [_seconds_until_warm(number) for number in range(options.of(10, 20))]
        rate = (left - _unsettled()) / (perf_counter() - began)
        moved = _oldest() - oldest
    finally:
        worker.end()
        site.redis.delete("settle", "warm", "default")
        ledgers.empty()
        doorbell.clear()
    about = f"in a backlog of {size:,}"
    return [
        counted(_GROUP, f"fresh change {about}, seconds until warm", median(waits), at_most(2)),
        counted(_GROUP, f"fresh change {about}, seconds, the longest", max(waits)),
        counted(_GROUP, f"oldest changes settled meanwhile {about}", moved, at_least(1)),
        counted(_GROUP, f"changes settled a second {about}", rate),
    ]


def _seconds_until_warm(number: int) -> float:
    event = things.event(f"FRESH-{number}", 1, "slow")
    began = perf_counter()
    record_change(Payment, event)
    fresh = Change.objects.filter(event_id=event.event_id).exclude(UNSETTLED)
    wait_until(fresh.exists)
    return perf_counter() - began


def _unsettled() -> int:
    return Change.objects.filter(UNSETTLED).count()


def _oldest() -> int:
    """Return the place of the oldest unsettled change in the log."""
    place: int = Change.objects.filter(UNSETTLED).aggregate(place=Min("pk"))["place"]
    return place
