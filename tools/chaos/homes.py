"""Where pointers live: only a fault of its own node can lose or hide a payment's pointer."""

from collections.abc import Callable, Sequence

from coordinator.core import keys
from coordinator.memcached.node import Node
from coordinator.memcached.options import limits
from coordinator.memcached.ring import Ring
from coordinator.payments.models import Payment


def home_of(addresses: Sequence[str], prefix: str) -> Callable[[str], str]:
    """Return the function that says on which node a payment's pointer is while all of them answer.

    `addresses` and `prefix` are those of the cache's settings.
    """
    # These nodes are never talked to, so none of them ever rests: the ring is as it was made.
    ring = Ring([Node(address, limits({}, len(addresses))) for address in addresses])

    def home(number: str) -> str:
        # As Django makes a key of a prefix, its own version (unused here) and a name.
        key = f"{prefix}:1:{keys.pointer_key(Payment.resource_name, number)}"
        return ring.node_for(key.encode()).name

    return home
