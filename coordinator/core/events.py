"""What happened in the core, told to whoever subscribed: metrics and logs live behind this hook.

A subscriber gets one frozen event object, in the thread in which it happened. It must be quick and
must not raise; if it does, that is logged and the others are still told.
"""

import logging
from collections.abc import Callable
from typing import Any, get_args

import msgspec

logger = logging.getLogger(__name__)


class EntryRead(msgspec.Struct, frozen=True):
    """A read was answered. `outcome` is hit, miss, absent or denied; `seconds` is what it took."""

    resource: str
    entry_name: str
    outcome: str
    from_ledger: bool
    collapsed: bool
    seconds: float


class EntryWarmed(msgspec.Struct, frozen=True):
    """A load's result was stored (or not: `stored`), at ledger revision `revision`."""

    resource: str
    entry_name: str
    revision: int
    cause: str
    stored: bool


class LoadFinished(msgspec.Struct, frozen=True):
    """Upstream answered (`error` empty) or failed, after `seconds`, for `count` identifiers."""

    resource: str
    cause: str
    seconds: float
    count: int
    error: str


class EntryRefused(msgspec.Struct, frozen=True):
    """Bytes were in the cache but not used; `reason`: damaged, schema, revision, expired."""

    resource: str
    entry_name: str
    reason: str


class EntryDue(msgspec.Struct, frozen=True):
    """A reader met an entry that should be refreshed before it expires."""

    resource: str
    identifier: str
    state: str
    loaded_at: float


class EntryVerified(msgspec.Struct, frozen=True):
    """Entry, ledger and upstream were compared. `result`: match, missing, mismatch, skipped."""

    resource: str
    identifier: str
    result: str


class PointerMoved(msgspec.Struct, frozen=True):
    """A pointer was suspended, advanced, seeded, or left alone; `result` says which way it went."""

    resource: str
    identifier: str
    step: str
    result: str


class LeaseTaken(msgspec.Struct, frozen=True):
    """`count` leases were asked for: `granted`, or somebody else holds them."""

    resource: str
    granted: bool
    count: int = 1


class CacheFailed(msgspec.Struct, frozen=True):
    """A cache operation did not reach its node."""

    operation: str


Event = (
    EntryRead
    | EntryWarmed
    | LoadFinished
    | EntryRefused
    | EntryDue
    | EntryVerified
    | PointerMoved
    | LeaseTaken
    | CacheFailed
)
Subscriber = Callable[[Any], None]

_KINDS: tuple[type, ...] = get_args(Event)
# New tuples each time, so that whoever is telling needs no lock.
_subscribers: dict[type, tuple[Subscriber, ...]] = dict.fromkeys(_KINDS, ())


def subscribe(subscriber: Subscriber, *kinds: type) -> Callable[[], None]:
    """Tell `subscriber` of events from now on; return the function that ends it.

    Of every event, or of those `kinds`: whoever wants one kind costs the others nothing.
    """
    of = kinds or _KINDS
    for kind in of:
        _subscribers[kind] = (*_subscribers[kind], subscriber)

    def unsubscribe() -> None:
        for kind in of:
            left = tuple(one for one in _subscribers[kind] if one is not subscriber)
            _subscribers[kind] = left

    return unsubscribe


def heard(kind: type) -> bool:
    """Return True if anybody listens to this kind: for who would build an event for nobody."""
    return bool(_subscribers[kind])


def emit(event: Event) -> None:
    """Tell the subscribers; a failing one is logged and never felt by the caller."""
    for subscriber in _subscribers[type(event)]:
        try:
            subscriber(event)
        except Exception:
            logger.exception("subscriber.failed", extra={"event": type(event).__name__})
