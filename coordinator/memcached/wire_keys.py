"""Turns Django's keys into the bytes that memcached is sent, and remembers the common ones."""

import re
from functools import lru_cache

from django.core.cache.backends.base import (
    MEMCACHE_MAX_KEY_LENGTH,
    BaseCache,
    InvalidCacheKey,
    default_key_func,
)

# Pointers and entries of those that are read most.
_REMEMBERED = 2_048
_unsendable = re.compile(r"[\x00-\x20\x7f]").search


class WireKeys:
    """The keys of one cache. Making one costs a tenth of a round trip, so they are remembered.

    But only where key, version and prefix decide it for ever. A host's KEY_FUNCTION may look at the
    tenant of the present request, a lazy prefix at its site; and 1, True and 1.0 are equal, but
    make different keys.
    """

    def __init__(self, cache: BaseCache) -> None:
        """Take the cache whose ``make_key`` and ``validate_key`` decide."""
        self._cache = cache
        self._makes_djangos_keys = type(cache).make_key is BaseCache.make_key
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._make)

    def __call__(self, key: str, version: int | None) -> bytes:
        """Return the key as sent. Raise InvalidCacheKey as Django does, and if its bytes overflow.

        Django's own check takes longer than the rest of a read's Python; it is only asked when a
        quick look says that it has something to say.
        """
        cache = self._cache
        if version is None:
            version = cache.version
        if (
            type(key) is str
            and type(version) is int
            and type(cache.key_prefix) is str
            and cache.key_func is default_key_func
            and self._makes_djangos_keys
        ):
            return self._remembered(key, version, cache.key_prefix)
        return self._make(key, version)

    def _make(self, key: str, version: int, _prefix: str = "") -> bytes:
        made = self._cache.make_key(key, version)
        wire = made.encode()
        if len(wire) > MEMCACHE_MAX_KEY_LENGTH or _unsendable(made):
            self._cache.validate_key(made)
            raise InvalidCacheKey(f"Cache key is longer than memcached's 250 bytes: {made!r}")
        return wire
