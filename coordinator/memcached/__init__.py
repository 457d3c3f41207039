"""Django cache backends with compare-and-set, without pickle, and with connections that last.

Settings name them by string; ``coordinator.core.cache`` is the only module that calls them. The
names are those of the Django backends that they extend, whose promises they keep.
"""

from coordinator.memcached.locmem import LocMemCache
from coordinator.memcached.memcached import PyMemcacheCache
from coordinator.memcached.observing import CacheTrouble, Trouble, observe
from coordinator.memcached.serde import FOREIGN

__all__ = ["FOREIGN", "CacheTrouble", "LocMemCache", "PyMemcacheCache", "Trouble", "observe"]
