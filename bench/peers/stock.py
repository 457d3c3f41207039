"""Django's own PyMemcacheCache, as it comes."""

from collections.abc import Sequence
from itertools import islice

from django.core.cache import caches  # noqa: TID251  # the peer is Django's cache itself

from bench import things
from bench.rounds import Contestant


def contestants(names: Sequence[str], size: int) -> list[Contestant]:
    """Return a get within one request, and a request for each get, which opens a connection."""
    cache = caches["django"]
    for name in names:
        cache.set(name, things.payload(name, size))

    def get(times: int) -> None:
        for name in islice(names, times):
            cache.get(name)

    def get_and_close(times: int) -> None:
        for name in islice(names, times):
            cache.get(name)
            # What Django does at the end of every request.
            cache.close()

    return [
        Contestant("Django's PyMemcacheCache.get", get),
        Contestant("the same, one to a request", get_and_close),
    ]
