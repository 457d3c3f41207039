"""The product's own reads."""

from collections.abc import Sequence
from itertools import islice

from bench.rounds import Contestant
from coordinator.core import cache
from coordinator.core.read import read
from coordinator.core.resource import Resource

COLD = "read(), request tier cold"
REMEMBERED = "read(), entry remembered in the request tier"


def reads(of: Resource, names: Sequence[str]) -> list[Contestant]:
    """Return our contestants; `names` are warm, and different ones follow each other."""

    def read_each(times: int) -> None:
        for name in islice(names, times):
            read(of, name)

    def remember() -> None:
        cache.clear_request_tier()
        read_each(len(names))

    return [
        Contestant(COLD, read_each, before=cache.clear_request_tier),
        Contestant(REMEMBERED, read_each, before=remember),
    ]
