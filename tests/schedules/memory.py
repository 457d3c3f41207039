"""The cache under the scheduler: the project's LocMemCache, stopping before each operation.

It can also do what caches do when things go wrong: not answer, answer nobody although it did what
was asked, do it late, lose a key, lose all, or be two nodes that some take for one another.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from coordinator.errors import CacheUnreachable
from coordinator.memcached import LocMemCache
from coordinator.memcached.locmem import LocMemToken, Stored
from tests.schedules.scheduler import Scheduler
from tests.schedules.steps import NOTHING, Step
from tests.schedules.timing import VirtualClock

#: A lease names its owner by a number that is new each time.
_OWNER = re.compile(r"[0-9a-f]{32}")

#: What may become of one operation.
LOST = "lost"
"""It never reached the node."""
UNANSWERED = "unanswered"
"""The node did it, but its answer never came."""
LATE = "late"
"""As LOST, but it reaches the node some time later."""
FAULTS = (LOST, UNANSWERED, LATE)

#: What every cache operation reads, and only a wipe writes.
STORE = "the whole cache"

Contents = tuple["OrderedDict[str, Stored]", dict[str, float | None]]


class ScheduledCache(LocMemCache):
    """LocMemCache, one step at a time, by the virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("schedules", {"TIMEOUT": 1800, "OPTIONS": {"MAX_ENTRIES": 100_000}})
        self.scheduler: Scheduler
        self.clock = clock
        #: The names to print instead of hashes.
        self.names: dict[str, str] = {}
        self.everywhere: frozenset[str] = NOTHING
        #: What is on its way to the node.
        self.on_its_way: list[Callable[[], Any]] = []
        self._steps: dict[tuple[str, str], Step] = {}

    # -- one operation -----------------------------------------------------------------------------

    def _take(self, name: str, key: str, perform: Callable[[], Any], *, writes: bool) -> Any:
        scheduler = self.scheduler
        scheduler.step(self._step(name, key, writes=writes))
        actor = scheduler.current
        assert actor is not None
        number = actor.cache_steps
        actor.cache_steps += 1
        fault = actor.faults.get(number) if actor.faults else None
        if actor.process.cut_off:
            fault = LOST
        if fault is None:
            result = perform()
        else:
            actor.cache_failures += 1
            if fault == UNANSWERED:
                perform()
            elif fault == LATE:
                self.on_its_way.append(perform)
            scheduler.note(f"no answer ({fault})")
            raise CacheUnreachable
        if scheduler.tell:
            scheduler.note(_shown(result))
        return result

    def _step(self, name: str, key: str, *, writes: bool) -> Step:
        step = self._steps.get((name, key))
        if step is None:
            readable = self.names.get(key, key)
            thing = frozenset({readable})
            step = self._steps[name, key] = Step(
                f"cache.{name}",
                readable,
                reads=self.everywhere | {STORE} | (NOTHING if writes else thing),
                writes=thing if writes else NOTHING,
            )
        return step

    def _set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT) -> None:
        super()._set(key, value, timeout)
        self._tell(key)

    def _delete(self, key: str) -> bool:
        deleted: bool = super()._delete(key)
        if deleted:
            self._tell(key)
        return deleted

    def _tell(self, made: str) -> None:
        key = made.rsplit(":", 1)[-1]
        self.scheduler.changed(self.names.get(key, key))

    # -- time --------------------------------------------------------------------------------------

    def _has_expired(self, key: str) -> bool:
        expires: float | None = self._expire_info.get(key, -1)  # type: ignore[attr-defined]  # below
        return expires is not None and expires <= self.clock.time

    def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> float | None:
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else self.clock.time + float(timeout)

    # -- the operations ----------------------------------------------------------------------------

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._take(
            "get", key, lambda: LocMemCache.get(self, key, default, version), writes=False
        )

    def get_many_or_raise(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        # memcached answers a multi-get key by key, and lets others write in between.
        found = {}
        for key in keys:
            value = self.get(key, None, version)
            if value is not None:
                found[key] = value
        return found

    # What is done to many keys is done key by key, on memcached and all the more on several: others
    # come in between. Django's and the project's own loops call the operations below.

    def set_many(
        self, data: Mapping[str, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        failed = []
        for key, value in data.items():
            try:
                self.set(key, value, timeout, version)
            except CacheUnreachable:
                failed.append(key)
        return failed

    def get_with_token(
        self, key: str, version: int | None = None
    ) -> tuple[Any, LocMemToken] | None:
        found: tuple[Any, LocMemToken] | None = self._take(
            "gets", key, lambda: LocMemCache.get_with_token(self, key, version), writes=False
        )
        return found

    def set(  # type: ignore[override]  # as the one that it stands for
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        done: bool = self._take(
            "set",
            key,
            lambda: not LocMemCache.set_many(self, {key: value}, timeout, version),
            writes=True,
        )
        return done

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        done: bool = self._take(
            "add", key, lambda: LocMemCache.add(self, key, value, timeout, version), writes=True
        )
        return done

    def compare_and_set(
        self,
        key: str,
        value: Any,
        token: object,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        done: bool = self._take(
            "cas",
            key,
            lambda: LocMemCache.compare_and_set(self, key, value, token, timeout, version),
            writes=True,
        )
        return done

    def compare_and_delete(self, key: str, token: object, version: int | None = None) -> bool:
        done: bool = self._take(
            "delete_if",
            key,
            lambda: LocMemCache.compare_and_delete(self, key, token, version),
            writes=True,
        )
        return done

    def delete(self, key: str, version: int | None = None) -> bool:
        try:
            done: bool = self._take(
                "delete", key, lambda: LocMemCache.delete(self, key, version), writes=True
            )
        except CacheUnreachable:
            # The memcached backend's plain delete answers False then.
            return False
        return done

    # -- between schedules, and what faults do -----------------------------------------------------

    def contents(self) -> Contents:
        """Return everything that is there, to be put back."""
        stored: Any = self._cache.copy()
        return stored, dict(self._expire_info)  # type: ignore[attr-defined]  # its stubs leave it out

    def restore(self, contents: Contents) -> None:
        """Put back what `contents` once returned."""
        self._cache.clear()
        self._cache.update(contents[0])
        self._expire_info.clear()  # type: ignore[attr-defined]  # its stubs leave it out
        self._expire_info.update(contents[1])  # type: ignore[attr-defined]  # as above

    def begin_scenario(self, everywhere: frozenset[str], names: dict[str, str]) -> None:
        """Take the names of another scenario's keys."""
        if everywhere != self.everywhere or names != self.names:
            self.everywhere, self.names = everywhere, names
            self._steps.clear()

    def evict(self, key: str) -> None:
        """Lose one key."""
        self._delete(self.make_key(key))

    def wipe(self) -> None:
        """Lose everything."""
        for key in list(self._cache):
            self._delete(key)


def _shown(result: object) -> str:
    if isinstance(result, tuple):
        result = result[0]
    if isinstance(result, bytes):
        text = result.decode(errors="replace")
        _, _, body = text.partition(" ")
        return _OWNER.sub("...", body or text)[:150].replace("\n", " ")
    return repr(result)
