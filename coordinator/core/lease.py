"""Single-flight: who may load one thing from upstream while the others wait for the result.

Key pattern: ``keys.lease_key``. Timeout: 30 seconds (``COORDINATOR_LEASE_TIMEOUT_SECONDS``), longer
than an upstream call can take. The shared lease keeps processes apart; a flight keeps the threads
of one process apart, wakes them without polling, and still works when the cache is unreachable.
"""

import os
import threading
import uuid
from dataclasses import dataclass, field

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

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.landed = threading.Event()
        self.entry: CacheEntry | None = None
        self.error: CoordinatorError | None = None


_flights: dict[str, Flight] = {}
_flights_lock = threading.Lock()


def _start_anew() -> None:
    # A forked child has its parent's flights, and none of the threads that would land them.
    global _flights_lock
    _flights_lock = threading.Lock()
    _flights.clear()


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

        Deletes by compare-and-delete: a lease that ran out may be somebody else's by now.
        """
        if self._released:
            return
        self._released = True
        if self.shared:
            _delete_own(self.key, self.owner)
        self.flight.entry, self.flight.error = entry, error
        with _flights_lock:
            if _flights.get(self.key) is self.flight:
                del _flights[self.key]
        self.flight.landed.set()


def acquire(
    resource: str, identifier: str, revision: int, schema: int = 1
) -> Lease | Flight | None:
    """Return the Lease, or else the Flight of this process that has it, or None: another process.

    A lease that names an older revision is taken over: what its holder loads is the past already,
    and the entry rule keeps it from storing over ours. With the cache unreachable, the flight alone
    decides: one load a process.
    """
    key = keys.lease_key(resource, identifier, schema)
    flight = Flight(revision)
    with _flights_lock:
        running = _flights.get(key)
        if running is not None and running.revision >= revision:
            return running
        _flights[key] = flight
    owner = uuid.uuid4().hex
    try:
        granted, shared = _take(key, owner, revision), True
    except CacheUnreachable:
        granted, shared = True, False
    except BaseException:
        Lease(key, owner, flight, shared=False).release()
        raise
    events.emit(events.LeaseTaken(resource, identifier, granted))
    lease = Lease(key, owner, flight, shared=shared)
    if granted:
        return lease
    lease.release()
    return None


def _take(key: str, owner: str, revision: int) -> bool:
    mine = msgspec.json.encode(_Holder(owner, revision))
    timeout = conf.seconds("LEASE_TIMEOUT")
    if cache.add(key, mine, timeout):
        return True
    there = cache.get_with_token(key)
    if there is None:
        # It ran out or was given back between the two calls: one more try, then wait like others.
        return cache.add(key, mine, timeout)
    held = _read(there.value)
    if held is not None and held.revision >= revision:
        return False
    # Overwrites by compare-and-set: its holder loads for a revision that is the past already (or
    # the bytes are nobody's lease), and waiting for it would only delay the newer one.
    return cache.replace(key, mine, there.token, timeout)


def _delete_own(key: str, owner: str) -> None:
    try:
        there = cache.get_with_token(key)
        if there is not None:
            held = _read(there.value)
            if held is not None and held.owner == owner:
                cache.delete_if_mine(key, there.token)
    except CacheUnreachable:
        # Nobody can see it now either; it ends with its timeout.
        return


def _read(value: object) -> _Holder | None:
    try:
        return _holder.decode(value) if isinstance(value, bytes) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
