"""From a change's commit until another process reads it warm, beside one Celery no-op task."""

from statistics import median, quantiles
from time import monotonic, sleep

from django.db import transaction
from django.db.models.signals import post_save

from bench import ledgers, things
from bench.figures import Figure, at_most, compared
from bench.options import Options
from bench.site import Site, wait_until
from bench.tasks import noop
from coordinator.ledger.models import Change
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment

_ALONE_SECONDS = 0.05


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures: one lone event after the other, in turns with one lone task."""
    ledgers.empty()
    count = options.of(60, 400)
    published: dict[str, float] = {}
    committed: dict[str, float] = {}

    def note(instance: Change, **_: object) -> None:
        name = f"payment.{instance.identifier}.{instance.state}"
        transaction.on_commit(lambda: committed.__setitem__(name, monotonic()))

    post_save.connect(note, sender=Change)
    site.worker.resident_bytes()
    try:
        for name in things.numbers(count, "LATENCY"):
            published[name] = monotonic()
            noop.apply_async(args=(name,), retry=False)
            _leave_alone()
            wait_until(lambda: site.waiting() == 0)
            record_change(Payment, things.event(name, 1))
            _leave_alone()
            wait_until(ledgers.settled)
            wait_until(lambda: site.waiting() == 0)
    finally:
        post_save.disconnect(note, sender=Change)
    answer = site.collected() or {}
    moments: dict[str, float] = answer["moments"]
    executed = [(moments[name] - at) * 1e3 for name, at in published.items()]
    readable = [(moments[name] - at) * 1e3 for name, at in committed.items()]
    return [
        compared(
            "latency",
            "commit to readable, p50",
            median(readable),
            median(executed),
            "ms",
            "no-op task",
            at_most(1.5),
        ),
        compared(
            "latency",
            "commit to readable, p99",
            _p99(readable),
            _p99(executed),
            "ms",
            "no-op task",
            at_most(2),
        ),
    ]


def _leave_alone() -> None:
    # Asking whether it is done takes the one core from the work.
    sleep(_ALONE_SECONDS)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
