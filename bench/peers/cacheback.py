"""django-cacheback: a job that refreshes in the background, read while it is fresh."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from cacheback.base import Job

from bench import things
from bench.rounds import Contestant


class PaymentJob(Job):
    """A payment's bytes."""

    lifetime = 1800
    fetch_on_miss = True
    cache_alias = "django"
    size = 600

    def fetch(self, number: str) -> Any:
        """Return what is to be cached."""
        return things.payload(number, self.size)


def contestants(names: Sequence[str], size: int) -> list[Contestant]:
    """Return a fresh job's get."""
    job = PaymentJob()
    job.size = size
    for name in names:
        job.get(name)

    def get(times: int) -> None:
        for name in islice(names, times):
            job.get(name)

    return [Contestant("django-cacheback", get)]
