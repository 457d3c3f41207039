"""Django's LocMemCache with compare-and-set, and without pickles.

What is kept are the same flags and bytes that memcached would hold, so that callers can't change a
stored value through a reference, and development refuses the types that production refuses.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache as DjangoLocMemCache

from coordinator.memcached.observing import Trouble, report
from coordinator.memcached.serde import FOREIGN, INTEGER, decode, encode


class Stored(NamedTuple):
    """What the cache keeps for a key."""

    flags: int
    data: bytes


class LocMemToken(NamedTuple):
    """Stands for the very object that was found, which each write replaces by another."""

    found: object


class LocMemCache(DjangoLocMemCache):
    """A cache in this process's memory, shared by its threads. It is always reachable."""

    if TYPE_CHECKING:
        # Private API of Django 5.2 to 6.0, which its stubs leave out: its public methods give no
        # way to look at a value and replace it under one lock.
        _cache: OrderedDict[str, object]
        _lock: Lock

        def _has_expired(self, key: str) -> bool: ...
        def _set(self, key: str, value: object, timeout: Any = DEFAULT_TIMEOUT) -> None: ...
        def _delete(self, key: str) -> bool: ...

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        """Take Django's LOCATION, which names the memory, and the rest of the cache's settings."""
        super().__init__(name, params)
        self._name = f"locmem:{name}"

    # -- reading -----------------------------------------------------------------------------------

    def nodes(self) -> dict[str, bool]:
        """Return the one node that there is: this process's own memory."""
        return {"this process": True}

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value, or `default` if nothing usable is there."""
        found = self._read(key, version)
        if found is None:
            return default
        value = self._decode(found, "get")
        return default if value is FOREIGN else value

    def get_many_or_raise(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return what is there of `keys`."""
        return self.get_many(keys, version)

    def get_with_token(
        self, key: str, version: int | None = None
    ) -> tuple[Any, LocMemToken] | None:
        """Return the value with a token for it, or None if nothing is there.

        The value is FOREIGN if something is there that was not stored by this backend.
        """
        found = self._read(key, version)
        return (
            None if found is None else (self._decode(found, "get_with_token"), LocMemToken(found))
        )

    def get_many_with_tokens(
        self, keys: Iterable[str], version: int | None = None
    ) -> dict[str, tuple[Any, LocMemToken]]:
        """Return what `get_with_token` does for each key that is there."""
        found = {key: self.get_with_token(key, version) for key in keys}
        return {key: there for key, there in found.items() if there is not None}

    def has_key(self, key: str, version: int | None = None) -> bool:
        """Return True if `get` would find a value."""
        return self.get(key, FOREIGN, version) is not FOREIGN

    def _read(self, key: str, version: int | None) -> object | None:
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            if self._has_expired(key):
                self._delete(key)
                return None
            found = self._cache[key]
            self._cache.move_to_end(key, last=False)
            return found

    def _decode(self, found: object, operation: str) -> object:
        # Django's own LocMemCache of the same name keeps pickles in the same memory.
        value = decode(found.flags, found.data) if isinstance(found, Stored) else FOREIGN
        if value is FOREIGN:
            report(self._name, operation, Trouble.FOREIGN)
        return value

    # -- storing -----------------------------------------------------------------------------------

    def set(  # type: ignore[override]  # tells more than Django's None
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value, and return True.

        Raise TypeError, with nothing left under the key, for a value that can't be kept.
        """
        self.set_many({key: value}, timeout, version)
        return True

    def set_many(
        self,
        data: Mapping[str, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[str]:
        """Store the values, and return the empty list: none is refused.

        Raise TypeError, with nothing left under any of the keys, if one value can't be kept.
        """
        names = {self.make_and_validate_key(key, version=version): key for key in data}
        try:
            stored = {name: Stored(*encode(data[key])) for name, key in names.items()}
        except Exception:
            # The caller has done with what was there: found again, it would pass for the new value.
            with self._lock:
                for name in names:
                    self._delete(name)
            raise
        with self._lock:
            for name, value in stored.items():
                self._set(name, value, timeout)
        return []

    def set_or_raise(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value, and return True."""
        return self.set(key, value, timeout, version)

    def add(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value if nothing is there. Return False if something is."""
        key = self.make_and_validate_key(key, version=version)
        stored = Stored(*encode(value))
        with self._lock:
            if self._has_expired(key):
                self._set(key, stored, timeout)
                return True
            return False

    def add_or_raise(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value if nothing is there. Return False if something is."""
        return self.add(key, value, timeout, version)

    def add_many_or_raise(
        self, items: Mapping[str, tuple[Any, float]], version: int | None = None
    ) -> dict[str, bool]:
        """Store each value, with its timeout, where nothing is there; return for each if it was."""
        for value, _ in items.values():
            encode(value)  # as memcached's does: one that can't be kept leaves none of them there
        return {key: self.add(key, *item, version) for key, item in items.items()}

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add `delta` to the integer there, and return the sum. The timeout stays.

        Raise ValueError if nothing is there, or no integer.
        """
        made = self.make_and_validate_key(key, version=version)
        with self._lock:
            if self._has_expired(made):
                self._delete(made)
                raise ValueError(f"Key {key!r} not found")
            found = self._cache[made]
            value = self._decode(found, "incr")
            if not isinstance(found, Stored) or found.flags != INTEGER or type(value) is not int:
                raise ValueError(f"Key {key!r} does not hold an integer")
            self._cache[made] = Stored(*encode(value + delta))
            self._cache.move_to_end(made, last=False)
        return value + delta

    # -- compare and set ---------------------------------------------------------------------------

    def compare_and_set(
        self,
        key: str,
        value: Any,
        token: object,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store `value` if what `token` was given for is still there, and return True.

        Return False if another write was first, or if nothing is there any more.
        """
        key = self.make_and_validate_key(key, version=version)
        stored = Stored(*encode(value))
        with self._lock:
            if not self._is_still(key, token):
                return False
            self._set(key, stored, timeout)
            return True

    def compare_and_set_many(
        self, items: Mapping[str, tuple[Any, object, float]], version: int | None = None
    ) -> dict[str, bool]:
        """Store each value, with its token and timeout, as `compare_and_set` does."""
        # All of them before any is stored, as memcached's does: a mistake leaves none there.
        for value, token, _ in items.values():
            encode(value)
            _check(token)
        return {key: self.compare_and_set(key, *item, version) for key, item in items.items()}

    def compare_and_delete(self, key: str, token: object, version: int | None = None) -> bool:
        """Delete the key if what `token` was given for is still there, and return True.

        Return False if another write was first, or if nothing is there any more.
        """
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            return self._is_still(key, token) and self._delete(key)

    def compare_and_delete_many(
        self, tokens: Mapping[str, object], version: int | None = None
    ) -> None:
        """Delete each key whose token's value is still there."""
        for key, token in tokens.items():
            self.compare_and_delete(key, token, version)

    def _is_still(self, key: str, token: object) -> bool:
        # The same object, not an equal one: a value that was replaced by an equal one was replaced.
        found = _check(token).found
        return not self._has_expired(key) and self._cache.get(key) is found


def _check(token: object) -> LocMemToken:
    if not isinstance(token, LocMemToken):
        raise TypeError(f"Not a token of this backend: {token!r}")
    return token
