"""Reads the library's settings, with their defaults, at the moment they are needed.

Lazily, so that ``override_settings`` and a settings module that only names what it changes both
work. The defaults are `coordinator.defaults`'; the documented list is ``docs/settings.md``.
"""

from django.conf import settings

from coordinator.defaults import DEFAULTS, TEXTS


def cache_alias() -> str:
    """Return the alias in CACHES of the cache that the library uses."""
    return text("CACHE")


def seconds(name: str) -> float:
    """Return the setting `name` (``COORDINATOR_<name>_SECONDS``) in seconds."""
    return number(f"{name}_SECONDS")


def number(name: str) -> float:
    """Return the setting ``COORDINATOR_<name>``, or its default where settings don't name it."""
    full = f"COORDINATOR_{name}"
    value: float = getattr(settings, full, DEFAULTS[full])
    return value


def text(name: str) -> str:
    """Return the setting ``COORDINATOR_<name>``, or its default where settings don't name it."""
    full = f"COORDINATOR_{name}"
    value: str = getattr(settings, full, TEXTS[full])
    return value
