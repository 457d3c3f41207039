"""dogpile.cache on memcached: a region that creates a value once."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

from dogpile.cache import make_region

from bench import things
from bench.rounds import Contestant


def contestants(address: str, names: Sequence[str], size: int) -> list[Contestant]:
    """Return a region's warm get_or_create."""
    region = make_region().configure(
        "dogpile.cache.pymemcache", expiration_time=1800, arguments={"url": [address]}
    )
    keys = [f"dogpile:{name}" for name in names]

    def get(times: int) -> None:
        for key in islice(keys, times):
            region.get_or_create(key, partial(things.payload, key, size))

    get(len(keys))
    return [Contestant("dogpile.cache", get)]
