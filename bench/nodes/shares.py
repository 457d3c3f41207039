"""Counts which keys change their node when the list of nodes does."""

from collections.abc import Callable, Sequence
from zlib import crc32

from coordinator.core import keys
from coordinator.memcached.node import Node
from coordinator.memcached.options import limits
from coordinator.memcached.ring import Ring

_KEYS = 20_000


def moved_by_ring(before: Sequence[str], after: Sequence[str]) -> float:
    """Return the percentage of keys that the ring keeps elsewhere `after`."""
    return _moved(_ring(before), _ring(after))


def moved_by_modulo(before: Sequence[str], after: Sequence[str]) -> float:
    """Return the same for the remainder of a hash, as many clients do."""
    return _moved(_modulo(before), _modulo(after))


def fullest(servers: Sequence[str]) -> float:
    """Return the percentage of keys that the ring's fullest node keeps."""
    counts = dict.fromkeys(servers, 0)
    where = _ring(servers)
    for key in _keys():
        counts[where(key)] += 1
    return 100 * max(counts.values()) / _KEYS


def _ring(servers: Sequence[str]) -> Callable[[bytes], str]:
    ring = Ring([Node(name, limits({}, len(servers))) for name in servers])
    return lambda key: ring.node_for(key).name


def _modulo(servers: Sequence[str]) -> Callable[[bytes], str]:
    return lambda key: servers[crc32(key) % len(servers)]


def _moved(before: Callable[[bytes], str], after: Callable[[bytes], str]) -> float:
    return 100 * sum(before(key) != after(key) for key in _keys()) / _KEYS


def _keys() -> list[bytes]:
    return [keys.pointer_key("payment", f"EDX-{index}").encode() for index in range(_KEYS)]
