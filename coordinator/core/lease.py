"""Single-flight: who may load one thing from upstream while the others wait for the result.

Key pattern: ``keys.lease_key``. Timeout: 30 seconds (``COORDINATOR_LEASE_TIMEOUT_SECONDS``), longer
than an upstream call can take. The shared lease keeps processes apart; a flight keeps the threads
of one process apart, wakes them without polling, and still works when the cache is unreachable.
"""

import itertools
import os
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec

from coordinator.core import cache, conf, events, keys
from coordinator.core.entry import CacheEntry
from coordinator.errors import CacheUnreachable, CoordinatorError


class _Holder(msgspec.Struct, frozen=True, array_like=True):
    owner: str
    revision: int


_holder = msgspec.json.Decoder(_Holder)


class Flight:
    """One load under way in this process, for `revision`.

    `landed` is set when it ended; then `entry` is what it brought, or `error` why it did not.
    """

    __slots__ = ("_landed", "_over", "entry", "error", "revision")

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.entry: CacheEntry | None = None
        self.error: CoordinatorError | None = None
        self._over = False
        # Made for the first who waits: most flights land with no thread waiting, and settling takes
        # off by the page.
        self._landed: threading.Event | None = None

    @property
    def landed(self) -> threading.Event:
        """Return what is set when it has ended."""
        with _flights_lock:
            if self._landed is None:
                self._landed = threading.Event()
                if self._over:
                    self._landed.set()
            return self._landed

    def land(self, key: str, entry: CacheEntry | None, error: CoordinatorError | None) -> None:
        """Hand `entry` or `error` to the threads that wait, and to those that are about to."""
        self.entry, self.error = entry, error
        with _flights_lock:
            if _flights.get(key) is self:
                del _flights[key]
            self._over = True
            awaited = self._landed
        if awaited is not None:
            awaited.set()


_flights: dict[str, Flight] = {}
_flights_lock = threading.Lock()


_process = uuid.uuid4().hex
_serial = itertools.count()


def _start_anew() -> None:
    # A forked child has its parent's flights, and none of the threads that would land them; and it
    # must not pass for its parent.
    global _flights_lock, _process
    _flights_lock = threading.Lock()
    _flights.clear()
    _process = uuid.uuid4().hex


def _new_owner() -> str:
    """Return a name that no other lease has: this process's, and a number."""
    return f"{_process}.{next(_serial)}"


os.register_at_fork(after_in_child=_start_anew)


@dataclass(slots=True)
class Lease:
    """The right to load one thing; give it back with `release`."""

    key: str
    owner: str
    flight: Flight
    shared: bool
    _released: bool = field(default=False, init=False)

    def release(
        self, entry: CacheEntry | None = None, error: CoordinatorError | None = None
    ) -> None:
        """Give the right back, and hand `entry` or `error` to the threads here that wait for it.

        Deletes by compare-and-delete: a lease that ran out may be another holder's by now.
        """
        if self._released:
            return
        self._released = True
        if self.shared:
            _delete_own({self.key: self.owner})
        self.flight.land(self.key, entry, error)


def acquire(
    resource: str, identifier: str, revision: int, schema: int = 1
) -> Lease | Flight | None:
    """Return the Lease, or else the Flight of this process that has it, or None: another process.

    A lease that names an older revision is taken over: what its holder loads is the past already,
    and the entry rule keeps it from storing over ours. With the cache unreachable, the flight alone
    decides: one load a process.
    """
    return acquire_many(resource, {identifier: revision}, schema)[identifier]


def acquire_many(
    resource: str, revisions: Mapping[str, int], schema: int = 1
) -> dict[str, Lease | Flight | None]:
    """Return what `acquire` does for each identifier: those that are free, in one round trip."""
    got: dict[str, Lease | Flight | None] = {}
    asked: dict[str, Lease] = {}
    free: Mapping[str, bool] = {}
    try:
        for name, revision in revisions.items():
            key = keys.lease_key(resource, name, schema)
            flight = Flight(revision)
            lease = Lease(key, _new_owner(), flight, shared=False)
            with _flights_lock:
                running = _flights.get(key)
                if running is not None and running.revision >= revision:
                    got[name] = running
                    continue
                # Before it takes off: whatever interrupts us from here on lands it.
                asked[name] = lease
                _flights[key] = flight
        free = _add_all(asked) if len(asked) > 1 else {}
        for name, lease in asked.items():
            granted = _granted(lease, free.get(lease.key, False))
            got[name] = lease if granted else None
            if not granted:
                lease.release()
    except BaseException:
        for lease in asked.values():
            lease.shared |= free.get(lease.key, False)
            lease.release()
        raise
    _tell(resource, sum(got[name] is not None for name in asked), len(asked))
    return got


def _tell(resource: str, granted: int, asked: int) -> None:
    if granted:
        events.emit(events.LeaseTaken(resource, granted=True, count=granted))
    if granted < asked:
        events.emit(events.LeaseTaken(resource, granted=False, count=asked - granted))


def release_many(
    endings: Iterable[tuple[Lease, CacheEntry | None, CoordinatorError | None]],
) -> None:
    """Give each lease back as its `release` does, all of them in two round trips."""
    # Released while we look: no other thread does, for each lease is one caller's.
    held = [ending for ending in endings if not ending[0]._released]  # noqa: SLF001  # our own
    _delete_own({lease.key: lease.owner for lease, _, _ in held if lease.shared})
    for lease, entry, error in held:
        lease._released = True  # noqa: SLF001  # our own
        lease.flight.land(lease.key, entry, error)


def _add_all(leases: Mapping[str, Lease]) -> Mapping[str, bool]:
    timeout = conf.seconds("LEASE_TIMEOUT")
    try:
        return cache.add_many({one.key: (_bytes_of(one), timeout) for one in leases.values()})
    except CacheUnreachable:
        # Which were added is unknown: each asks for itself, and knows its own when it sees it.
        return {}


def _bytes_of(lease: Lease) -> bytes:
    return msgspec.json.encode(_Holder(lease.owner, lease.flight.revision))


def _granted(lease: Lease, added: bool) -> bool:
    """Return whether the lease is the caller's now: in the shared cache, or where there is none."""
    try:
        lease.shared = added or _take(lease)
    except CacheUnreachable:
        return True
    return lease.shared


def _take(lease: Lease) -> bool:
    key, mine = lease.key, _bytes_of(lease)
    timeout = conf.seconds("LEASE_TIMEOUT")
    if cache.add(key, mine, timeout):
        return True
    there = cache.get_with_token(key)
    if there is None:
        # It ran out or was given back between the two calls: one more try, then wait like others.
        return cache.add(key, mine, timeout)
    held = _read(there.value)
    if held is not None and held.owner == lease.owner:
        return True
    if held is not None and held.revision >= lease.flight.revision:
        return False
    # Overwrites by compare-and-set: its holder loads for a revision that is the past already (or
    # the bytes are no lease), and waiting for it would only delay the newer one.
    return cache.replace(key, mine, there.token, timeout)


def _delete_own(owners: Mapping[str, str]) -> None:
    if not owners:
        return
    try:
        cache.delete_those_of_mine(
            {key: partial(_is_held_by, owner) for key, owner in owners.items()}
        )
    except CacheUnreachable:
        # No process can see them now either; they end with their timeout.
        return


def _is_held_by(owner: str, value: object) -> bool:
    held = _read(value)
    return held is not None and held.owner == owner


def _read(value: object) -> _Holder | None:
    try:
        return _holder.decode(value) if isinstance(value, bytes) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
