"""A worker's memory after many warms, beside its memory after the first thousand."""

from bench import ledgers, things
from bench.figures import Figure, at_most, compared
from bench.options import Options
from bench.site import Site, wait_until
from coordinator.celery import doorbell

_FIRST = 1_000
_BATCH = 10_000
_MEGABYTE = 2**20


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    many = options.of(5_000, 100_000)
    ledgers.empty()
    # Started when it is first asked for, which ringing alone does not.
    site.worker.resident_bytes()
    _settle(things.numbers(_FIRST, "FIRST"))
    first = site.worker.resident_bytes() / _MEGABYTE
    for start in range(0, many, _BATCH):
        _settle(things.numbers(min(_BATCH, many - start), f"MORE{start}"))
    then = site.worker.resident_bytes() / _MEGABYTE
    return [
        compared(
            "memory",
            f"worker's memory after {many:,} warms",
            then,
            first,
            "MB",
            f"after {_FIRST:,}",
            at_most(1.05),
        )
    ]


def _settle(names: list[str]) -> None:
    ledgers.fill(names)
    doorbell.clear()
    doorbell.ring()
    wait_until(ledgers.settled, seconds=300)
