"""Warm reads on a ring of three nodes, where pointer and entry may live on two of them."""

from bench import things
from bench.caches import on_nodes
from bench.figures import Figure, at_most
from bench.groups.reads import against_floor
from bench.options import Options
from bench.peers import ours, raw
from bench.rounds import interleave
from bench.site import Site
from coordinator.core import resource

_GOALS = {ours.COLD: at_most(3.0)}
_THINGS = 500


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    of = resource.get("payment")
    names = things.numbers(_THINGS, "RING")
    with on_nodes(site.ring):
        things.put_warm(of, names, 600)
        times = interleave(
            [
                *raw.one_node(site.node.address, names, 600),
                *raw.hash_client(site.ring, names, 600),
                *ours.reads(of, names),
            ],
            rounds=options.of(9, 41),
            calls=options.of(250, _THINGS),
        )
    return against_floor("ring", "600 bytes, three nodes", times, _GOALS)
