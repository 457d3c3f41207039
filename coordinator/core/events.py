"""Events of the core, and the hook that emits them: metrics and logs subscribe to it."""

from typing import get_args

import msgspec

from coordinator.hook import Hook


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
    """`count` leases were asked for: `granted`, or held by another caller."""

    resource: str
    granted: bool
    count: int = 1


class CacheFailed(msgspec.Struct, frozen=True):
    """A cache operation did not reach its node."""

    operation: str


CoreEvent = (
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

_hook: Hook[CoreEvent] = Hook(*get_args(CoreEvent))
subscribe, heard, emit = _hook.subscribe, _hook.heard, _hook.emit
