"""A node of the ring is added, removed, killed and returned under traffic: what readers notice."""

from dataclasses import replace
from time import monotonic

from bench.figures import Figure, at_most, compared, counted
from bench.nodes import farm, judging, records, scenarios, shares
from bench.nodes.judging import Verdict
from bench.nodes.scenarios import Scenario
from bench.options import Options
from bench.site import Site
from tools.servers.server import HOST

_GROUP = "nodes"
_SERVERS = [f"{HOST}:{port}" for port in range(11211, 11215)]


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    figures = _keys()
    for number, scenario in enumerate(scenarios.ALL):
        figures += _figures(site, options, scenario, f"NODES{number}")
    return figures


def _keys() -> list[Figure]:
    three, two = _SERVERS[:3], _SERVERS[:2]
    goal, least = at_most(1.1), "the least possible"
    return [
        compared(_GROUP, name, ours, ideal, "%", against, limit)
        for name, ours, ideal, against, limit in (
            ("keys moved, 3 to 4", shares.moved_by_ring(three, _SERVERS), 25, least, goal),
            (
                "keys moved, 3 to 4, by a remainder",
                shares.moved_by_modulo(three, _SERVERS),
                25,
                least,
                None,
            ),
            ("keys moved, 3 to 2", shares.moved_by_ring(three, two), 100 / 3, least, goal),
            (
                "keys moved, 3 to 2, by a remainder",
                shares.moved_by_modulo(three, two),
                100 / 3,
                least,
                None,
            ),
            ("keys on the fullest of 3", shares.fullest(three), 100 / 3, "a third", goal),
        )
    ]


def _figures(site: Site, options: Options, scenario: Scenario, series: str) -> list[Figure]:
    traffic = farm.Traffic()
    pointer_seconds, before = options.of(3, 5), options.of(4, 10)
    directory = site.directory / series
    with farm.running(directory, series, 3, pointer_seconds, traffic) as running:
        running.go_on(before + 1)
        began = monotonic()
        scenario.act(running)
        # Until a node that rests has come back, and what it may have hidden has expired.
        running.go_on(2 * pointer_seconds + 4)
    verdict = judging.judge(records.reads(directory), records.commits(directory), began, before)
    return [
        replace(one, name=f"{scenario.name}: {one.name}")
        for one in _of(verdict, pointer_seconds, scenario.moves * traffic.payments)
    ]


def _of(verdict: Verdict, pointer_seconds: float, moved: float) -> list[Figure]:
    """Return the figures of one scenario, in which `moved` entries had to move."""
    return [
        compared(
            _GROUP,
            "longest stale read",
            verdict.longest_stale_seconds,
            pointer_seconds,
            "s",
            "the pointer's timeout",
            at_most(1),
        ),
        compared(_GROUP, "stale reads", verdict.stale, verdict.reads, "", "reads"),
        counted(
            _GROUP, "seconds from the first step to the last stale read", verdict.stale_for_seconds
        ),
        compared(
            _GROUP,
            "hit ratio in the worst second",
            100 * verdict.worst_hit_ratio,
            100 * verdict.hit_ratio_before,
            "%",
            "before",
            series=verdict.hit_ratios,
        ),
        counted(_GROUP, "seconds until it stays above 0.9 of that", verdict.disturbed_seconds),
        compared(
            _GROUP, "loads that readers waited for", verdict.loads, moved, "", "entries moved"
        ),
        counted(_GROUP, "reads that failed", verdict.failed, at_most(0)),
    ]
