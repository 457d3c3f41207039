"""What is measured, group by group; each module has one function, ``measure``."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

from bench.figures import Figure
from bench.options import Options
from bench.site import Site

Measure = Callable[[Site, Options], list[Figure]]

ABOUT: Final = {
    "reads": "warm reads on one node, beside the peers'",
    "layers": "where the time of a warm read goes, from the floor up",
    "ring": "warm reads on a ring of three nodes",
    "counts": "round trips, connections, messages, upstream requests: what noise can't touch",
    "inside": "a warm GET in this process: processor time and queries",
    "requests": "GET through the whole stack",
    "changes": "recording a change",
    "settling": "settling the change log, beside Celery tasks",
    "backlog": "a fresh change in a long backlog: how soon it is warm (minutes)",
    "latency": "from the commit to readable elsewhere, beside one Celery task",
    "backfill": "backfilling, beside writing the same bytes",
    "memory": "a worker's memory after many warms",
    "capacity": "what a payment, a request and a change cost: bytes and processor time",
    "nodes": "a node added, removed, killed and returned under traffic (minutes)",
    "million": "the same with a million payments in the ledger (minutes)",
}
#: Only when they are named: they take much longer than all the others together.
BY_NAME: Final = ("nodes", "million", "backlog")


def load(name: str) -> Measure:
    """Return what measures this group. Imports it only now: it needs Django to be set up."""
    measure: Measure = import_module(f"bench.groups.{name}").measure
    return measure
