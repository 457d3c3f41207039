"""Backfilling what existed before, beside writing the same bytes with pymemcache's set_many."""

from itertools import islice
from typing import Any

from pymemcache.client.base import Client

from bench import ledgers, things
from bench.figures import Figure, at_least
from bench.options import Options
from bench.rounds import Contestant, interleave
from bench.site import Site
from coordinator.core import cache, keys, resource
from coordinator.warmer.backfill import Selection, backfill

_CHUNK = 200


def measure(site: Site, options: Options) -> list[Figure]:
    """Return the figures."""
    count = options.of(1_000, 4_000)
    names = things.numbers(count, "FILL")
    ledgers.empty()
    ledgers.fill(names, log=False)
    of = resource.get("payment")
    client = Client(site.node.address, timeout=5, connect_timeout=5, no_delay=True)
    # Its keys, not its moment: the same number of bytes each time.
    values = dict(things.entry_bytes(of, n, things.payload(n, 600)) for n in names)
    chunks = [dict(islice(values.items(), at, at + _CHUNK)) for at in range(0, count, _CHUNK)]

    def fill(times: int) -> None:
        loads = sum(chunk.loads for chunk in backfill(Selection(of), 0, None, dry_run=False))
        if loads < times:
            raise RuntimeError(f"{loads} loads for {times} payments")

    def write(times: int) -> None:
        for chunk in islice(chunks, times // _CHUNK):
            client.set_many(chunk, expire=1800, noreply=False)

    def forget() -> None:
        cache.clear_request_tier()
        _delete(client, names)

    times = interleave(
        [Contestant("backfill", fill, forget), Contestant("set_many", write)],
        rounds=options.of(3, 9),
        calls=count,
    )
    ours, raw = 1 / times["backfill"].median, 1 / times["set_many"].median
    return [
        Figure(
            "backfill",
            "entries backfilled",
            ours,
            "/s",
            ours / raw,
            raw,
            "set_many",
            at_least(0.15),
        )
    ]


def _delete(client: "Client[Any]", names: list[str]) -> None:
    prefix = "coordinator:1:"
    for name in names:
        key = keys.EntryKey("payment", name, things.STATE).cache_key
        client.delete(prefix + key, noreply=True)
    client.get("synchronise")
