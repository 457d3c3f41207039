"""The peers: one module for each, which makes contestants of what its users would write."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.rounds import Contestant
from bench.site import Site


@contextmanager
def contestants(site: Site, names: Sequence[str], size: int) -> Iterator[list[Contestant]]:
    """Yield the contestants of all peers, each with these things warm."""
    from bench.peers import cacheback, cashews, dogpile, stock, tiered

    with ExitStack() as stack:
        yield [
            *stock.contestants(names, size),
            *tiered.contestants(names, size),
            *cacheback.contestants(names, size),
            *dogpile.contestants(site.node.address, names, size),
            *stack.enter_context(cashews.contestants(site.servers.redis.url, names, size)),
        ]
