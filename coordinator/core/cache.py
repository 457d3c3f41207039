"""The one door to the cache: wraps ``TieredCache`` and Django's cache for all other rooms.

Two tiers: the request tier (a thread's memory, for one request or task) and the shared cache
(memcached, or LocMemCache in development). Entries may be remembered in the request tier; pointers,
leases and doorbells never are. The operations that decide something (`add`, `put`, `replace`,
`get_with_token`) raise CacheUnreachable when the node did not answer; the ones that only save work
degrade to misses.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from edx_django_utils.cache import DEFAULT_REQUEST_CACHE, RequestCache

# Private API of edx-django-utils 8.1: where TieredCacheMiddleware notes, in the request cache, that
# this request is to miss. The method that reads it is private too, and costs a warm read more.
from edx_django_utils.cache.utils import SHOULD_FORCE_CACHE_MISS_KEY

from coordinator.core import conf, events
from coordinator.errors import CacheUnreachable


class Tokened(NamedTuple):
    """A value together with the token that lets it be replaced if no other write did meanwhile."""

    value: object
    token: object


class Held(NamedTuple):
    """What the cache holds of the keys of a multi-get, and whether the shared cache answered."""

    found: Mapping[str, object]
    reachable: bool


# Any: Django has no type for a backend with compare-and-set; core.backends has the contract.
_backend: Any = None


def _shared() -> Any:
    # One for all threads, which ours allow and Django's `caches` does not take for granted: asking
    # that each time costs a tenth of a round trip.
    global _backend
    if _backend is None:
        backend = caches[conf.cache_alias()]
        if not hasattr(backend, "compare_and_set"):
            kind = f"{type(backend).__module__}.{type(backend).__qualname__}"
            raise ImproperlyConfigured(
                f"CACHES[{conf.cache_alias()!r}] is {kind}, which has no compare-and-set. Use "
                "coordinator.memcached.PyMemcacheCache or coordinator.memcached.LocMemCache there, "
                "or name another alias in COORDINATOR_CACHE."
            )
        _backend = backend
    return _backend


@receiver(setting_changed, dispatch_uid="core.cache")
def _forget_backend(setting: str, **_: object) -> None:
    global _backend
    if setting in {"CACHES", "COORDINATOR_CACHE"}:
        _backend = None


# -- entries: both tiers -----------------------------------------------------------------------


def get_entries(keys: Iterable[str], *alongside: str) -> Held:
    """Return what the tiers hold for `keys`, and what the shared cache holds for `alongside`.

    One round trip for all that the request tier does not remember. It answers as
    ``TieredCache.get_cached_response`` does for each of `keys`: the request tier first, nothing
    from the shared cache while a member of staff forces misses, and hits are remembered.
    """
    remembered: dict[str, object] = {}
    asked: list[str] = list(alongside)
    forced = forces_miss()
    for key in keys:
        response = DEFAULT_REQUEST_CACHE.get_cached_response(key)
        if response.is_found:
            remembered[key] = response.value
        elif not forced:
            asked.append(key)
    if not asked:
        return Held(remembered, True)
    found, reachable = get_shared(asked)
    only_shared = frozenset(alongside)
    for key, value in found.items():
        if key not in only_shared:
            remember(key, value)
    return Held({**found, **remembered}, reachable)


def get_pair(pointer_key: str, entry_key: str) -> tuple[object, object]:
    """Return what is there of a pointer (shared cache) and an entry (both tiers), None for misses.

    What `get_entries` does for one of each, at the price that the warm read can afford. Nothing is
    found while a member of staff forces misses: the caller then looks properly.
    """
    remembered = DEFAULT_REQUEST_CACHE.data
    if remembered.get(SHOULD_FORCE_CACHE_MISS_KEY):
        return None, None
    entry = remembered.get(entry_key)
    asked = (pointer_key,) if entry is not None else (pointer_key, entry_key)
    try:
        found = _shared().get_many_or_raise(asked)
    except CacheUnreachable:
        events.emit(events.CacheFailed("get_many"))
        return None, None
    if entry is None:
        entry = found.get(entry_key)
        if entry is not None:
            remembered[entry_key] = entry
    return found.get(pointer_key), entry


def get_shared(keys: Iterable[str]) -> Held:
    """Return what the shared cache holds now, past the request tier and without filling it."""
    try:
        return Held(_shared().get_many_or_raise(list(keys)), True)
    except CacheUnreachable:
        events.emit(events.CacheFailed("get_many"))
        return Held({}, False)


def remember(key: str, value: object) -> None:
    """Keep an entry in the request tier until this request or task ends."""
    DEFAULT_REQUEST_CACHE.set(key, value)


def forget(*keys: str) -> None:
    """Delete from both tiers, as far as the shared cache can be reached."""
    # TieredCache would delete from Django's default cache, and this may be another one.
    for key in keys:
        DEFAULT_REQUEST_CACHE.delete(key)
        _shared().delete(key)


def clear_request_tier() -> None:
    """Forget what this thread remembers.

    A worker has no request middleware: without this its next task reads the past of the last one.
    """
    RequestCache.clear_all_namespaces()


def forces_miss() -> bool:
    """Return True while a member of staff asked for this request to bypass the shared cache."""
    return bool(DEFAULT_REQUEST_CACHE.data.get(SHOULD_FORCE_CACHE_MISS_KEY))


# -- the shared cache alone: what decides something --------------------------------------------


def add(key: str, value: bytes, timeout_seconds: float) -> bool:
    """Store if nothing is there. Return False if something is; raise CacheUnreachable."""
    return cast(bool, _shared().add_or_raise(key, value, timeout_seconds))


def add_many(items: Mapping[str, tuple[bytes, float]]) -> Mapping[str, bool]:
    """Store each value, with its timeout in seconds, where nothing is there, at one go.

    Return for each what `add` would; raise CacheUnreachable if any node did not answer, and then
    some may be stored.
    """
    return cast("Mapping[str, bool]", _shared().add_many_or_raise(items))


def is_first(key: str, timeout_seconds: float, *, if_unreachable: bool) -> bool:
    """Return True to the first who asks within the timeout; `if_unreachable` without the cache."""
    try:
        return add(key, b"1", max(1.0, timeout_seconds))
    except CacheUnreachable:
        return if_unreachable


def put(key: str, value: bytes, timeout_seconds: float) -> bool:
    """Store whatever is there. Return False if the server refused; raise CacheUnreachable.

    For `publish` alone: all else goes through `add`, `replace`, or the suspensions' `put_many`.
    """
    return cast(bool, _shared().set_or_raise(key, value, timeout_seconds))


def put_many(items: Mapping[str, bytes], timeout_seconds: float) -> frozenset[str]:
    """Store each value whatever is there, in one round trip a node; return the keys that are kept.

    For the suspensions of pointers. Any other was refused, or its node did not answer.
    """
    failed: Iterable[str] = _shared().set_many(items, timeout_seconds)
    return frozenset(items).difference(failed)


def publish(key: str, value: bytes, timeout_seconds: float) -> bool:
    """Store whatever is there, for one publisher and many readers; return True if it is kept.

    Overwrites, and may: the newest word of the one who keeps the truth is all that counts.
    """
    try:
        return put(key, value, timeout_seconds)
    except CacheUnreachable:
        return False


def get_with_token(key: str) -> Tokened | None:
    """Return the value and its token, None if nothing is there; raise CacheUnreachable."""
    found = _shared().get_with_token(key)
    return None if found is None else Tokened(*found)


def replace(key: str, value: bytes, token: object, timeout_seconds: float) -> bool:
    """Store if what the token stands for is still there; raise CacheUnreachable.

    Return False if another write was first, or if the key is gone.
    """
    return cast(bool, _shared().compare_and_set(key, value, token, timeout_seconds))


def get_many_with_tokens(keys: Iterable[str]) -> Mapping[str, Tokened]:
    """Return what is there, each value with its token, in one round trip a node.

    Raise CacheUnreachable if any node did not answer.
    """
    found = _shared().get_many_with_tokens(list(keys))
    return {key: Tokened(*there) for key, there in found.items()}


def replace_many(items: Mapping[str, tuple[bytes, object, float]]) -> Mapping[str, bool]:
    """Store each value (given with its token and its timeout) as `replace` does, at one go.

    Raise CacheUnreachable if any node did not answer, and then some may be stored.
    """
    return cast("Mapping[str, bool]", _shared().compare_and_set_many(items))


def delete_if_mine(key: str, token: object) -> bool:
    """Delete if what the token stands for is still there; raise CacheUnreachable."""
    return cast(bool, _shared().compare_and_delete(key, token))


def delete_those_of_mine(mine: Mapping[str, Callable[[object], bool]]) -> None:
    """Delete each key whose value is the caller's, as its function says; raise CacheUnreachable.

    By compare-and-delete, so none that has become another holder's meanwhile; in one round trip.
    """
    there = _shared().get_many_with_tokens(mine)
    tokens = {key: token for key, (value, token) in there.items() if mine[key](value)}
    if tokens:
        _shared().compare_and_delete_many(tokens)


def count(key: str, by: int, timeout_seconds: float) -> int | None:
    """Add `by` to a shared counter that starts at 0, and return what it is then.

    Its timeout runs from the first count. Return None if the counter can't be reached: a
    limit that depends on it then limits no caller, rather than all.
    """
    shared = _shared()
    for _ in range(2):
        try:
            return cast(int, shared.incr(key, by))
        except ValueError:
            # Not there yet, or out of reach. The loser of the race to add counts on the winner's.
            if shared.add(key, by, timeout_seconds):
                return by
    return None


def clear(key: str) -> None:
    """Delete from the shared cache; a node that can't be reached keeps it until its timeout."""
    _shared().delete(key)


def is_shared() -> bool:
    """Return False if the cache is this process's own memory, which no other process sees."""
    return not isinstance(_shared(), LocMemCache)


def nodes() -> Mapping[str, bool]:
    """Return the nodes of the shared cache by name, and whether this process uses each now.

    A node that failed rests; asking here may find that it answers again.
    """
    return cast("Mapping[str, bool]", _shared().nodes())


def answers() -> bool:
    """Return True if the shared cache takes a value and gives it back: for health checks.

    The key is new at each call, so a ring is probed at another node each time.
    """
    key = f"probe-{uuid.uuid4().hex}"
    try:
        return put(key, b"1", 5) and get_with_token(key) is not None
    except CacheUnreachable:
        return False
