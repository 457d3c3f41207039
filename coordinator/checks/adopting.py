"""Looks for what a service that adopts the library can forget."""

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

_CLEARS_THE_REQUEST_TIER = "edx_django_utils.cache.middleware.RequestCacheMiddleware"


def request_tier_is_cleared() -> Iterator[checks.CheckMessage]:
    """What one request remembered would be the next one's stale read, in the same thread."""
    if not any(_clears(name) for name in settings.MIDDLEWARE):
        yield checks.Error(
            "No middleware clears the request tier: what one request remembered, a later one in "
            "the same thread would read, however old it is by then.",
            hint=f"Put {_CLEARS_THE_REQUEST_TIER!r} into MIDDLEWARE, before all that reads.",
            id="coordinator.E018",
        )


def _clears(name: str) -> bool:
    if name == _CLEARS_THE_REQUEST_TIER:
        return True
    try:
        middleware = import_string(name)
    except ImportError:
        return False
    return isinstance(middleware, type) and issubclass(
        middleware, import_string(_CLEARS_THE_REQUEST_TIER)
    )
