"""Which node keeps a key: the only one, or one of a ring; and one set of them per process.

Why not pymemcache's HashClient: two threads that see the same failure make it raise ValueError, a
dead node may stay away for twice its ``dead_timeout``, closed connections do not count as failures,
a multi-get asks one node after the other, and its hashing takes about as long as a round trip.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol, TypeAlias
from zlib import crc32

from coordinator.errors import CacheUnreachable
from coordinator.memcached.node import Node
from coordinator.memcached.observing import Trouble, report
from coordinator.memcached.options import Limits

KeysByNode: TypeAlias = Mapping[Node, Collection[bytes]]

_SLOTS = 16_384


class Nodes(Protocol):
    """The servers of one cache."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All of them."""
        ...

    def node_for(self, key: bytes) -> Node:
        """Return the node that keeps `key` now; raise CacheUnreachable if there is none."""
        ...

    def split(self, keys: Collection[bytes]) -> tuple[KeysByNode, CacheUnreachable | None]:
        """Return the keys by their nodes, and the failure if some have no node now."""
        ...


class SingleNode:
    """One server: there is nowhere to move, so its keys are misses until it answers again."""

    def __init__(self, node: Node) -> None:
        """Take the one node."""
        self.nodes = (node,)
        self._node = node

    def node_for(self, key: bytes) -> Node:  # noqa: ARG002  # one node keeps every key
        """Return the node, also while it rests: it says so itself."""
        return self._node

    def split(self, keys: Collection[bytes]) -> tuple[KeysByNode, CacheUnreachable | None]:
        """Return all the keys as the one node's."""
        return {self._node: keys}, None


class Ring:
    """Several servers, each with its share of the keys by rendezvous hashing.

    The nodes' order for a key comes from a hash of both, so every process agrees whatever the order
    in its settings, and only a failed node's keys move, evenly, to the others. It is worked out
    once for each of 16,384 slots: a key then costs a CRC and a look-up.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        """Take the nodes. Their `limits.rest` must outlast the pointers that they may hold."""
        self.nodes = tuple(nodes)
        self._ranked: list[tuple[Node, ...]] = [()] * _SLOTS
        self._orders: dict[tuple[Node, ...], tuple[Node, ...]] = {}

    def node_for(self, key: bytes) -> Node:
        """Return the first of the key's nodes that does not rest."""
        slot = crc32(key) % _SLOTS
        ranked = self._ranked[slot] or self._rank(slot)
        for node in ranked:
            if node.is_usable():
                return node
        report(ranked[0].name, "choose", Trouble.RESTING)
        raise CacheUnreachable("every node of the ring failed a moment ago")

    def split(self, keys: Collection[bytes]) -> tuple[KeysByNode, CacheUnreachable | None]:
        """Return the keys by their nodes, and the failure if some have no node now."""
        by_node: dict[Node, dict[bytes, None]] = {}
        failure = None
        for key in keys:
            try:
                by_node.setdefault(self.node_for(key), {})[key] = None
            except CacheUnreachable as error:
                failure = error
        return by_node, failure

    def _rank(self, slot: int) -> tuple[Node, ...]:
        def score(node: Node) -> bytes:
            return blake2b(b"%d %b" % (slot, node.name.encode()), digest_size=8).digest()

        ranked = tuple(sorted(self.nodes, key=score, reverse=True))
        # Few of the many slots differ in their order: keep each order once.
        self._ranked[slot] = ranked = self._orders.setdefault(ranked, ranked)
        return ranked


_shared: dict[tuple[tuple[str, ...], Limits], Nodes] = {}


def shared(servers: Iterable[str], limits: Limits) -> Nodes:
    """Return this process's nodes for these servers, each named once: one set in all."""
    names = tuple(servers)
    # Without a lock, which a fork could copy locked. A loser of the race never connected.
    known = _shared.get((names, limits))
    if known is None:
        nodes = [Node(name, limits) for name in names]
        fresh: Nodes = SingleNode(nodes[0]) if len(nodes) == 1 else Ring(nodes)
        known = _shared.setdefault((names, limits), fresh)
    return known
