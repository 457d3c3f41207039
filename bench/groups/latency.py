"""From a change's commit until another process reads it warm, beside one Celery no-op task.

For events that carry their entry, and for those that a worker has to load. A carried one is
readable once its pointer is advanced: its entry was stored before that.
"""

from statistics import median, quantiles
from time import monotonic, sleep

from django.db import transaction
from django.db.models.signals import post_save

from bench import ledgers, things
from bench.figures import Figure, at_most, compared
from bench.options import Options
from bench.site import Site, wait_until
from bench.tasks import noop
from coordinator.core import events
from coordinator.ledger.models import Change
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment

_ALONE_SECONDS = 0.05
_CARRIED, _LOADED = "CARRIED", "LOADED"


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures: lone events one after the other, in turns with lone tasks."""
    ledgers.empty()
    count = options.of(60, 400)
    published: dict[str, float] = {}
    committed: dict[str, float] = {}
    advanced: dict[str, float] = {}

    def note(instance: Change, **_: object) -> None:
        transaction.on_commit(lambda: committed.__setitem__(instance.identifier, monotonic()))

    def moved(event: events.PointerMoved) -> None:
        if event.step == "advance":
            advanced[event.identifier] = monotonic()

    post_save.connect(note, sender=Change)
    unsubscribe = events.subscribe(moved, events.PointerMoved)
    site.worker.resident_bytes()
    try:
        for index in range(count):
            name = f"NOOP-{index}"
            published[name] = monotonic()
            noop.apply_async(args=(name,), retry=False)
            _leave_alone()
            wait_until(lambda: site.waiting() == 0)
            for series, carries in ((_CARRIED, True), (_LOADED, False)):
                record_change(Payment, things.event(f"{series}-{index}", 1, carries=carries))
                _leave_alone()
                wait_until(ledgers.settled)
                wait_until(lambda: site.waiting() == 0)
    finally:
        post_save.disconnect(note, sender=Change)
        unsubscribe()
    moments: dict[str, float] = (site.collected() or {})["moments"]
    executed = [(moments[name] - at) * 1e3 for name, at in published.items()]
    carried, loaded = (
        [
            (readable(number) - at) * 1e3
            for number, at in committed.items()
            if number.startswith(series)
        ]
        for series, readable in (
            (_CARRIED, advanced.__getitem__),
            (_LOADED, lambda number: moments[f"payment.{number}.{things.STATE}"]),
        )
    )
    return [
        _figure("commit to readable, p50", median(carried), median(executed), 0.5),
        _figure("commit to readable, p99", _p99(carried), _p99(executed), 1),
        _figure("  where a worker loads it, p50", median(loaded), median(executed), None),
        _figure("  where a worker loads it, p99", _p99(loaded), _p99(executed), None),
    ]


def _figure(name: str, ours: float, noops: float, goal: float | None) -> Figure:
    wanted = None if goal is None else at_most(goal)
    return compared("latency", name, ours, noops, "ms", "no-op task", wanted)


def _leave_alone() -> None:
    # Asking whether it is done takes the one core from the work.
    sleep(_ALONE_SECONDS)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
