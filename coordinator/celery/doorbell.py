"""The doorbell: wakes a settling worker, once, however often it is rung.

Key pattern: ``doorbell.settle`` in the shared cache. Timeout: 10 seconds, after which a ring whose
message was lost no longer keeps others from ringing. Only a hint: the log is the queue, and the
beat drains it even if nothing ever rings.
"""

import logging

from coordinator.celery import hints
from coordinator.core import cache
from coordinator.errors import CacheUnreachable

logger = logging.getLogger(__name__)

_KEY = "doorbell.settle"
_LATER_KEY = "doorbell.settle.later"
_TIMEOUT_SECONDS = 10


def ring() -> bool:
    """Enqueue the settling task unless it is rung already; return True if a message was sent.

    Never raises for what the broker or the cache do: the change is in the log, and the beat comes.
    """
    if hints.quiet():
        return False
    try:
        if not cache.add(_KEY, b"1", _TIMEOUT_SECONDS):
            return False
    except CacheUnreachable:
        # Unknown whether it rings already: one message too many is the lesser harm.
        logger.debug("doorbell.unguarded")
    return _send(_KEY, 0.0)


def ring_later(seconds: float) -> bool:
    """Enqueue the settling task for `seconds` from now, unless another such one is on its way.

    That one may come later than asked for here: then the beat comes first.
    """
    if hints.quiet():
        return False
    try:
        # At least a second: memcached counts in whole ones.
        if not cache.add(_LATER_KEY, b"1", max(1, round(seconds))):
            return False
    except CacheUnreachable:
        return False
    return _send(_LATER_KEY, seconds)


def clear() -> None:
    """Stop ringing. Call it before reading the log: a change after this rings anew."""
    cache.clear(_KEY)


def _send(key: str, countdown: float) -> bool:
    sent = hints.send("settle", countdown=countdown)
    if not sent:
        # Let the next ring try again.
        cache.clear(key)
    return sent
