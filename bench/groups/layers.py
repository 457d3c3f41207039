"""Where the time of a warm read goes: one layer more each time, from the floor up."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.core.cache import caches  # noqa: TID251  # one of the layers

from bench import things
from bench.figures import Figure
from bench.options import Options
from bench.peers import raw
from bench.rounds import Contestant, interleave
from bench.site import Site
from coordinator.core import cache, events, keys, pointer, resource
from coordinator.core.entry import decode
from coordinator.core.read import read

_THINGS = 500


def measure(site: Site, options: Options) -> list[Figure]:
    """Return each layer's own share: what it takes more than the one below it."""
    of = resource.get("payment")
    names = things.numbers(_THINGS, "LAYER")
    things.put_warm(of, names, 600)
    one_key, two_keys = raw.one_node(site.node.address, names, 600)
    layers = [
        one_key,
        two_keys,
        *_ours(names),
        Contestant("read(), and counting it", _read(names), _forget),
    ]
    times = interleave(layers, rounds=options.of(9, 41), calls=options.of(250, _THINGS))
    floor = times[raw.GET].microseconds
    whole = times[layers[-1].name].microseconds
    figures, below = [], 0.0
    for layer in layers:
        upto = times[layer.name].microseconds
        figures.append(
            Figure("layers", layer.name, upto - below, "µs", upto / floor, upto, f"of {whole:.1f}")
        )
        below = upto
    return figures


def _forget() -> None:
    cache.clear_request_tier()


def _ours(names: Sequence[str]) -> list[Contestant]:
    of = resource.get("payment")
    pairs = [
        (keys.pointer_key(of.name, n), keys.EntryKey(of.name, n, things.STATE, of.schema))
        for n in names
    ]
    keyed = [(where, key.cache_key) for where, key in pairs]
    backend: Any = caches["default"]

    def many(times: int) -> None:
        for pair in islice(keyed, times):
            backend.get_many_or_raise(pair)

    def tiers(times: int) -> None:
        for where, key in islice(keyed, times):
            cache.get_pair(where, key)

    def pointers(times: int) -> None:
        for where, key in islice(keyed, times):
            there, _ = cache.get_pair(where, key)
            pointer.decode(there, where)

    def entries(times: int) -> None:
        for where, key in islice(pairs, times):
            there, data = cache.get_pair(where, key.cache_key)
            pointer.decode(there, where)
            decode(data, key)

    return [
        Contestant("our backend: the pool, the checks, the flags", many),
        Contestant("the two tiers", tiers, _forget),
        Contestant("decoding and checking the pointer", pointers, _forget),
        Contestant("decoding and checking the entry", entries, _forget),
        Contestant("read(): which names, which revision, is it due", _unheard(names), _forget),
    ]


def _read(names: Sequence[str]) -> Callable[[int], None]:
    of = resource.get("payment")

    def work(times: int) -> None:
        for name in islice(names, times):
            read(of, name)

    return work


def _unheard(names: Sequence[str]) -> Callable[[int], None]:
    read = _read(names)

    def work(times: int) -> None:
        with _without_subscribers():
            read(times)

    return work


@contextmanager
def _without_subscribers() -> Iterator[None]:
    heard = events._hook._subscribers  # noqa: SLF001  # to measure what they cost
    before = dict(heard)
    heard.update(dict.fromkeys(heard, ()))
    yield
    heard.update(before)
