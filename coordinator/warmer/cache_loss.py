"""Notices that the cache has lost what it held, by canaries that should always be there.

Key pattern: ``canary.<0..63>`` in the shared cache: enough of them that every node of a ring holds
some. Timeout: a day, renewed with each round. A node that was flushed, restarted or lost has none.
"""

from coordinator.core import cache

_CANARIES = tuple(f"canary.{number}" for number in range(64))
_TIMEOUT_SECONDS = 86_400
_REFILL_KEY = "refill.running"
_REFILL_TIMEOUT_SECONDS = 60


def noticed_loss() -> bool:
    """Return True if canaries are missing, and put them back: one loss is noticed once.

    False while the cache can't be reached at all: there is nothing to refill yet.
    """
    found, reachable = cache.get_shared(_CANARIES)
    missing = [key for key in _CANARIES if key not in found]
    if not reachable or not missing:
        return False
    put_back = [key for key in missing if cache.publish(key, b"1", _TIMEOUT_SECONDS)]
    return bool(put_back)


def may_refill() -> bool:
    """Return True to the one that may refill now; it keeps that for a minute at most."""
    return cache.is_first(_REFILL_KEY, _REFILL_TIMEOUT_SECONDS, if_unreachable=False)
