"""cashews: asynchronous, and on Redis, for it has nothing for memcached."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from cashews.wrapper import Cache
from redis import Redis

from bench import things
from bench.rounds import Contestant


@contextmanager
def contestants(url: str, names: Sequence[str], size: int) -> Iterator[list[Contestant]]:
    """Yield a cached coroutine's warm call, and a raw get from the same Redis."""
    loop = asyncio.new_event_loop()
    cache = Cache()
    cache.setup(f"{url.removesuffix('/0')}/3", client_side=False)

    @cache(ttl="30m", key="payment:{name}")  # type: ignore[untyped-decorator]  # it has none
    async def load(name: str) -> bytes:
        return things.payload(name, size)

    async def gets(times: int) -> None:
        for name in islice(names, times):
            await load(name)

    def get(times: int) -> None:
        loop.run_until_complete(gets(times))

    with Redis.from_url(url, db=3) as redis:
        for name in names:
            redis.set(f"raw:{name}", things.payload(name, size))

        def raw(times: int) -> None:
            for name in islice(names, times):
                redis.get(f"raw:{name}")

        get(len(names))
        yield [Contestant("raw redis-py get", raw), Contestant("cashews, on Redis", get)]
    loop.run_until_complete(cache.close())
    loop.close()
