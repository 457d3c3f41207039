"""Production's settings, and beside them the caches of our peers on the same servers."""

from coordinator.settings import production
from coordinator.settings.production import *  # noqa: F403  # settings are a base plus changes

_nodes = production.CACHES["default"]["LOCATION"]

#: Django's own backend as it comes, on one node and on the ring.
STOCK = "django.core.cache.backends.memcached.PyMemcacheCache"

CACHES = {
    **production.CACHES,
    "django": {"BACKEND": STOCK, "LOCATION": _nodes, "KEY_PREFIX": "django", "TIMEOUT": 1800},
}
CACHEBACK_CACHE_ALIAS = "django"
ROOT_URLCONF = "bench.urls"
