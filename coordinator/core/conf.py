"""Reads the library's settings, with their defaults, at the moment they are needed.

Lazily, so that ``override_settings`` and a settings module that only names what it changes both
work. The documented list is ``docs/settings.md``.
"""

from django.conf import settings

DEFAULTS: dict[str, float] = {
    "COORDINATOR_ENTRY_TIMEOUT_SECONDS": 1800,
    "COORDINATOR_ENTRY_JITTER": 0.1,
    "COORDINATOR_REFRESH_AFTER": 0.8,
    "COORDINATOR_POINTER_TIMEOUT_SECONDS": 30,
    "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": 60,
    "COORDINATOR_ABSENT_TIMEOUT_SECONDS": 10,
    "COORDINATOR_LEASE_TIMEOUT_SECONDS": 30,
    "COORDINATOR_READ_WAIT_SECONDS": 10,
    "COORDINATOR_LOAD_CONCURRENCY": 16,
    "COORDINATOR_CLOCK_TOLERANCE_SECONDS": 60,
    "COORDINATOR_SETTLE_PAGE": 200,
    "COORDINATOR_SETTLE_EVERY_SECONDS": 5,
    "COORDINATOR_SETTLE_ATTEMPTS": 8,
    "COORDINATOR_SETTLE_INTERRUPTIONS": 25,
    "COORDINATOR_LAG_SECONDS": 30,
    "COORDINATOR_CLAIM_SECONDS": 60,
    "COORDINATOR_WARM_OPEN_EVERY_SECONDS": 60,
    "COORDINATOR_LOG_RETENTION_DAYS": 90,
    "COORDINATOR_RECONCILE_EVERY_SECONDS": 300,
    "COORDINATOR_VERIFY_EVERY_SECONDS": 600,
    "COORDINATOR_VERIFY_SAMPLE": 50,
    "COORDINATOR_VERIFY_GRACE_SECONDS": 60,
}
#: The alias in CACHES of the cache that the library uses.
DEFAULT_CACHE = "default"


def cache_alias() -> str:
    """Return the alias in CACHES of the cache that the library uses."""
    alias: str = getattr(settings, "COORDINATOR_CACHE", DEFAULT_CACHE)
    return alias


def seconds(name: str) -> float:
    """Return the setting `name` (``COORDINATOR_<name>_SECONDS``) in seconds."""
    return number(f"{name}_SECONDS")


def number(name: str) -> float:
    """Return the setting ``COORDINATOR_<name>``, or its default where settings don't name it."""
    full = f"COORDINATOR_{name}"
    value: float = getattr(settings, full, DEFAULTS[full])
    return value
