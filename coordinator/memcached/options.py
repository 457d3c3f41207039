"""Reads what Django's OPTIONS say about memcached servers, and fills in the defaults."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from coordinator.defaults import DEFAULTS

_TAKEN = frozenset({"connect_timeout", "timeout", "retry_timeout", "dead_timeout"})
# What pymemcache calls these, and what they always are here.
_GIVEN = {
    "allow_unicode_keys": True,
    "default_noreply": False,
    "ignore_exc": True,
    "no_delay": True,
    "retry_attempts": 0,
    "use_pooling": True,
}
# Django's own, for backends that count their entries: no concern of a server's client.
_IGNORED = frozenset({"MAX_ENTRIES", "CULL_FREQUENCY"})

# memcached looks at its clock once a second, and a write that timed out may have got through at
# the last moment, so a pointer can outlive the failure by a little more than its own timeout.
_DEAD_MARGIN_SECONDS = 2.0


class Limits(NamedTuple):
    """How long, in seconds, a node may take, and how long it is left alone after a failure."""

    connect_timeout: float
    timeout: float
    rest: float
    #: An idle connection older than this is closed, so that a burst's do not stay for ever.
    idle: float = 60.0


def limits(options: Mapping[str, Any], servers: int) -> Limits:
    """Return the limits of each of `servers` nodes; raise ImproperlyConfigured for what is wrong.

    ``connect_timeout`` and ``timeout`` default to ``MEMCACHED_CONNECT_TIMEOUT_SECONDS`` and
    ``MEMCACHED_TIMEOUT_SECONDS``. A single server rests for ``retry_timeout`` (1). A ring's node
    rests for ``dead_timeout``, which by default just outlasts any pointer that it may hold.
    """
    for name, value in options.items():
        if name in _GIVEN and value != _GIVEN[name]:
            raise ImproperlyConfigured(f"The cache option {name!r} is always {_GIVEN[name]!r}.")
        if name not in _GIVEN and name not in _TAKEN and name not in _IGNORED:
            raise ImproperlyConfigured(
                f"Unknown cache option {name!r}; known are {', '.join(sorted(_TAKEN))}."
            )
    if servers == 1:
        rest = _seconds(options, "retry_timeout", 1.0)
    else:
        pointer_timeout = _setting("COORDINATOR_POINTER_TIMEOUT_SECONDS")
        rest = _seconds(options, "dead_timeout", pointer_timeout + _DEAD_MARGIN_SECONDS)
    return Limits(
        connect_timeout=_seconds(
            options, "connect_timeout", _setting("MEMCACHED_CONNECT_TIMEOUT_SECONDS")
        ),
        timeout=_seconds(options, "timeout", _setting("MEMCACHED_TIMEOUT_SECONDS")),
        rest=rest,
    )


def _setting(name: str) -> float:
    value: float = getattr(settings, name, DEFAULTS[name])
    return value


def _seconds(options: Mapping[str, Any], name: str, default: float) -> float:
    seconds = options.get(name, default)
    # 0 would mean "don't wait", and None "for ever".
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ImproperlyConfigured(f"The cache option {name!r} must be seconds above 0.")
    return float(seconds)
