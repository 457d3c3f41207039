"""Who is told when a cache operation failed, was refused, or found bytes that are not ours.

Backends degrade to misses without a word to their caller; metrics and logs learn of it here.
"""

import enum
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


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


#: Called with the node's name, the operation and the kind of trouble.
Observer = Callable[[str, str, Trouble], None]

_observers: tuple[Observer, ...] = ()


def observe(observer: Observer) -> Callable[[], None]:
    """Call `observer` for each trouble from now on. Return a function that ends it.

    It is called in the thread that had the trouble, perhaps in a request: it must be quick. If it
    raises, that is logged, and neither the caller nor the other observers notice.
    """
    global _observers
    # A new tuple each time, so that whoever is iterating needs no lock.
    _observers = (*_observers, observer)

    def forget() -> None:
        global _observers
        _observers = tuple(known for known in _observers if known is not observer)

    return forget


def report(node: str, operation: str, trouble: Trouble) -> None:
    """Tell all observers of one operation's trouble with one node."""
    for observer in _observers:
        try:
            observer(node, operation, trouble)
        except Exception:
            logger.exception("cache.observer_failed")
