"""Reads the core's settings, with their defaults, at the moment they are needed.

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
}


def seconds(name: str) -> float:
    """Return the setting `name` (``COORDINATOR_<name>_SECONDS``) in seconds."""
    return number(f"{name}_SECONDS")


def number(name: str) -> float:
    """Return the setting ``COORDINATOR_<name>``, or its default where settings don't name it."""
    full = f"COORDINATOR_{name}"
    value: float = getattr(settings, full, DEFAULTS[full])
    return value
