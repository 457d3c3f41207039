"""What a subclass of the contract provides: the cache under test, and ways round it."""

from typing import Any

import pytest

from coordinator.memcached import LocMemCache, PyMemcacheCache


class Backend:
    """Give each test ``self.cache``, empty, with a prefix of its own."""

    cache: LocMemCache | PyMemcacheCache
    prefix: str

    @pytest.fixture(autouse=True)
    def fresh_cache(
        self, own_cache: None, cache_prefix: str, request: pytest.FixtureRequest
    ) -> None:
        """Build the cache anew."""
        self.prefix = cache_prefix
        self.request = request
        self.cache = self.build(KEY_PREFIX=cache_prefix)

    def build(self, **params: Any) -> LocMemCache | PyMemcacheCache:
        """Return another backend on the same servers or memory, with Django's `params`."""
        raise RuntimeError("each backend has its own servers")

    def plant_pickle(self, key: str, pickled: bytes) -> None:
        """Store `pickled` under `key` as Django's own backend would."""
        raise RuntimeError("each backend is reached in its own way")
