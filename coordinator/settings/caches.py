"""Django's settings for the one cache, "default": in this process, or on memcached nodes."""

from collections.abc import Sequence
from typing import Any


def local_memory(*, prefix: str, timeout_seconds: float) -> dict[str, Any]:
    """Return CACHES for a cache that only this process sees."""
    return {
        "default": {
            "BACKEND": "coordinator.memcached.LocMemCache",
            "LOCATION": "coordinator",
            "KEY_PREFIX": prefix,
            "TIMEOUT": timeout_seconds,
            # Its default of 300 drops entries silently as soon as a few hundred payments exist.
            "OPTIONS": {"MAX_ENTRIES": 200_000},
        }
    }


def memcached(servers: Sequence[str], *, prefix: str, timeout_seconds: float) -> dict[str, Any]:
    """Return CACHES for the memcached nodes in `servers`, each ``host:port``.

    The backend takes its own timeouts from the settings MEMCACHED_CONNECT_TIMEOUT_SECONDS and
    MEMCACHED_TIMEOUT_SECONDS.
    """
    return {
        "default": {
            "BACKEND": "coordinator.memcached.PyMemcacheCache",
            "LOCATION": list(servers),
            "KEY_PREFIX": prefix,
            "TIMEOUT": timeout_seconds,
        }
    }
