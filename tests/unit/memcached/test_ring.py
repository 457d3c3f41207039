"""Which node keeps a key: evenly, the same for every process, and stable when one fails."""

from hashlib import md5

import pytest

from coordinator.memcached.node import Node
from coordinator.memcached.options import Limits
from coordinator.memcached.ring import Ring, SingleNode, shared

LIMITS = Limits(connect_timeout=1.0, timeout=1.0, rest=30.0)


def ring_of(*names: str) -> Ring:
    return Ring([Node(name, LIMITS) for name in names])


def homes(ring: Ring, keys: list[bytes]) -> list[str]:
    return [ring.node_for(key).name for key in keys]


HASHED = [b"coordinator:1:" + md5(b"%d" % n).hexdigest().encode() for n in range(30_000)]
SEQUENTIAL = [b":1:key%d" % number for number in range(30_000)]


@pytest.mark.parametrize("keys", [HASHED, SEQUENTIAL], ids=["hashed", "sequential"])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_each_node_has_its_fair_share(keys: list[bytes], count: int) -> None:
    names = [f"10.0.0.{number}:11211" for number in range(count)]
    placed = homes(ring_of(*names), keys)
    fair = len(keys) / count
    assert all(abs(placed.count(name) - fair) < fair * 0.06 for name in names)


def test_the_order_of_the_nodes_changes_nothing() -> None:
    keys = HASHED[:2_000]
    assert homes(ring_of("a:1", "b:1", "c:1"), keys) == homes(ring_of("c:1", "a:1", "b:1"), keys)


def test_a_node_more_takes_only_its_own_share_from_the_others() -> None:
    keys = HASHED[:10_000]
    before = homes(ring_of("a:1", "b:1", "c:1"), keys)
    after = homes(ring_of("a:1", "b:1", "c:1", "d:1"), keys)
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"d:1"}
    assert abs(len(moved) - len(keys) / 4) < len(keys) * 0.03


def test_the_placement_is_pinned() -> None:
    """Processes of two releases must agree; another hash would empty the cache, and split it."""
    ring = ring_of("a:11211", "b:11211", "c:11211")
    placed = homes(ring, [b":1:key%d" % number for number in range(8)])
    assert "".join(name[0] for name in placed) == "ababcbac"


def test_the_same_servers_are_the_same_nodes_for_everybody_in_the_process() -> None:
    assert shared(["a:1", "b:1"], LIMITS) is shared(["a:1", "b:1"], LIMITS)
    assert shared(["a:1", "b:1"], LIMITS) is not shared(["a:1"], LIMITS)
    assert shared(["a:1"], LIMITS) is not shared(["a:1"], LIMITS._replace(timeout=2.0))
    assert isinstance(shared(["a:1"], LIMITS), SingleNode)
