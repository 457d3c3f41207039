"""Tells observers when a cache operation failed, was refused, or found bytes that are not ours.

Backends degrade to misses without raising; metrics and logs learn of it here.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.hook import Hook


class Trouble(enum.StrEnum):
    """What kind of trouble an operation had: few, fixed words, fit for a metric's label."""

    TIMEOUT = "timeout"
    """The node took too long to accept a connection or to answer."""
    UNREACHABLE = "unreachable"
    """No connection could be opened."""
    CLOSED = "closed"
    """The node closed the connection before it had answered."""
    PROTOCOL = "protocol"
    """The answer was not one that the memcached protocol allows here."""
    RESTING = "resting"
    """Not asked, because the node failed a short while ago."""
    REFUSED = "refused"
    """The node answered that it will not store the value, for instance for its size."""
    FOREIGN = "foreign"
    """The value there was not written by these backends, or is damaged: treated as a miss."""


@dataclass(frozen=True, slots=True)
class CacheTrouble:
    """One operation's trouble with one node."""

    node: str
    operation: str
    kind: Trouble


#: Called with each trouble.
Observer = Callable[[CacheTrouble], None]

_hook: Hook[CacheTrouble] = Hook(CacheTrouble)


def observe(observer: Observer) -> Callable[[], None]:
    """Call `observer` for each trouble from now on. Return a function that ends it."""
    return _hook.subscribe(observer)


def report(node: str, operation: str, trouble: Trouble) -> None:
    """Tell all observers of one operation's trouble with one node."""
    _hook.emit(CacheTrouble(node, operation, trouble))
