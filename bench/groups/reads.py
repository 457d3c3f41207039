"""Warm reads on one node: ours, the bytes alone, and the peers'."""

from collections.abc import Mapping

from bench import peers, things
from bench.figures import Figure, Goal, at_most, compared
from bench.options import Options
from bench.peers import ours, raw
from bench.rounds import Times, interleave
from bench.site import Site
from coordinator.core import resource

_SIZES = {"600 bytes": 600, "10 KB": 10_000}
_GOALS = {ours.COLD: at_most(2.0), ours.REMEMBERED: at_most(1.5)}
_THINGS = 500


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    figures: list[Figure] = []
    of = resource.get("payment")
    for label, size in _SIZES.items():
        names = things.numbers(_THINGS, f"READ-{size}")
        things.put_warm(of, names, size)
        with peers.contestants(site, names, size) as others:
            times = interleave(
                [*raw.one_node(site.node.address, names, size), *ours.reads(of, names), *others],
                rounds=options.of(9, 41),
                calls=options.of(250, _THINGS),
            )
        figures += against_floor("reads", label, times, _GOALS)
    return figures


def against_floor(
    group: str, label: str, times: Mapping[str, Times], goals: Mapping[str, Goal]
) -> list[Figure]:
    """Return each contestant's figure as a multiple of the raw get."""
    floor = times[raw.GET].microseconds
    return [
        compared(
            group, f"{name}, {label}", one.microseconds, floor, "µs", "raw get", goals.get(name)
        )
        for name, one in times.items()
    ]
