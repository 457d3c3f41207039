"""Django cache backends with compare-and-set, without pickle, and with connections that last.

Settings name them by string; ``coordinator.core.cache`` is the only module that calls them. The
names are those of the Django backends that they extend, whose promises they keep.
"""

from coordinator.core.backends.locmem import LocMemCache
from coordinator.core.backends.memcached import PyMemcacheCache
from coordinator.core.backends.observing import Trouble, observe
from coordinator.core.backends.serde import FOREIGN

__all__ = ["FOREIGN", "LocMemCache", "PyMemcacheCache", "Trouble", "observe"]
