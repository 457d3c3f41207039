"""The pointer: a small shared value that says which state and revision of a thing is current.

Key pattern: ``keys.pointer_key``. Timeouts: 30 seconds (``COORDINATOR_POINTER_TIMEOUT_SECONDS``),
a suspension longer than any transaction (``COORDINATOR_SUSPENSION_TIMEOUT_SECONDS``), a known
absence 10 seconds (``COORDINATOR_ABSENT_TIMEOUT_SECONDS``). Triggers: `suspend` before a commit,
`advance` after it and after each stored entry, `mark` and `seed` by a reader that found nothing.

It is the one key that is overwritten all the time, which the caching decision asks to avoid:
docs/decisions/0002 says why it is worth the exception, and the five rules that make it safe are
docs/decisions/0004. It never enters the request tier.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec

from coordinator.core import cache, clock, conf, events, keys
from coordinator.core.resource import Standing
from coordinator.errors import CacheUnreachable

_ATTEMPTS = 8
_CHECKSUM_DIGITS = 8
# Twice what the longest state and revision need: foreign bytes are not even looked at.
_MOST_BYTES = 256
# Between machines, and memcached's own counts whole seconds. A clock that is further ahead makes
# its reader ask the ledger; one that is behind believes a pointer for so much longer.
_CLOCKS_DIFFER_BY_SECONDS = 1


class Current(msgspec.Struct, frozen=True, tag="current", array_like=True):
    """This state, committed with this revision, is the current one."""

    state: str
    revision: int


class Suspended(msgspec.Struct, frozen=True, tag="suspended", array_like=True):
    """This revision is about to be committed: ask the ledger."""

    revision: int


class Absent(msgspec.Struct, frozen=True, tag="absent", array_like=True):
    """The ledger does not know this identifier. Any revision is newer."""

    revision: int = 0


Pointer = Current | Suspended | Absent

#: What a reader puts where nothing is while it asks the ledger: older than any suspension.
_MARK = Suspended(0)


class Confirmation(enum.Enum):
    """What `advance` found, which decides whether a change counts as settled."""

    ADVANCED = "advanced"
    """The pointer says what the ledger says."""
    NEWER = "newer"
    """A later change is at work there, and confirms in our stead."""
    NOTHING_THERE = "nothing_there"
    """No pointer. Enough only for those whose own suspension had been acknowledged."""
    UNREACHABLE = "unreachable"
    """The node did not answer; it may come back with what it held before."""
    CONTENDED = "contended"
    """Another process moved it each time we tried."""


def timeout_seconds(pointer: Pointer) -> float:
    """Return how long `pointer` may be believed."""
    match pointer:
        case Current():
            return conf.seconds("POINTER_TIMEOUT")
        case Suspended() if pointer != _MARK:
            return conf.seconds("SUSPENSION_TIMEOUT")
    return conf.seconds("ABSENT_TIMEOUT")


def encode(pointer: Pointer, key: str) -> bytes:
    """Return the bytes to store under `key`: a checksum bound to it, when they end, a JSON array.

    The end is inside because the server counts from when it *stores*: a write that timed out here
    can be carried out much later there, by a server that hung, and would live from then on.
    """
    ends_at = clock.current().now() + timeout_seconds(pointer)
    body = b"%d " % ends_at + msgspec.json.encode(pointer)
    return b"%08x " % crc32(body, crc32(key.encode())) + body


_decoder = msgspec.json.Decoder(Pointer)


def decode(data: object, key: str) -> Pointer | None:
    """Return the pointer in `data`, or None if it has ended or was not stored here like this."""
    if not isinstance(data, bytes) or len(data) > _MOST_BYTES:
        return None
    read = _read(data, key)
    if read is None or clock.current().now() > read[1] + _CLOCKS_DIFFER_BY_SECONDS:
        return None
    return read[0]


def _maybe_suspended(data: object, key: str) -> Pointer | None:
    """Return what `decode` does, and a suspension even if it has ended by our clock.

    By its writer's clock it can be this moment's: only the cache's timeout, or that change's own
    advance, ends it for those who would replace it.
    """
    known = decode(data, key)
    if known is None and isinstance(data, bytes) and len(data) <= _MOST_BYTES:
        read = _read(data, key)
        if read is not None and isinstance(read[0], Suspended) and read[0] != _MARK:
            return read[0]
    return known


# The same bytes under the same key say the same for ever, and nearly every read meets bytes that
# were met before. What is remembered is what they mean, never what the cache holds.
@lru_cache(maxsize=1_024)
def _read(data: bytes, key: str) -> tuple[Pointer, int] | None:
    """Return the pointer in `data` and when it ends, or None if these are no pointer's bytes."""
    checksum, body = data[: _CHECKSUM_DIGITS + 1], data[_CHECKSUM_DIGITS + 1 :]
    if checksum != b"%08x " % crc32(body, crc32(key.encode())):
        return None
    ends_at, _, pointer_body = body.partition(b" ")
    try:
        return _decoder.decode(pointer_body), int(ends_at)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


#: A thing that has a pointer: its resource's name, and its identifier.
Name = tuple[str, str]


def suspend(resource: str, identifier: str, revision: int) -> bool:
    """Suspend one pointer as `suspend_many` does; return True once the cache has acknowledged."""
    return (resource, identifier) in suspend_many({(resource, identifier): revision})


def suspend_many(revisions: Mapping[Name, int]) -> frozenset[Name]:
    """Send readers to the ledger, from just before these revisions are committed.

    Call it with the rows locked and written (rule 1); one round trip a node. Return those that the
    cache has acknowledged; the change of any other stays unsettled until its pointer is confirmed
    some other way (rule 5).
    """
    by_key = {keys.pointer_key(*name): name for name in revisions}
    encoded = {key: encode(Suspended(revisions[name]), key) for key, name in by_key.items()}
    # Overwrites, and must: whatever is there names a state that is about to be the past. Being
    # wrong (the transaction rolls back) only makes readers ask the ledger for a while.
    stored = cache.put_many(encoded, conf.seconds("SUSPENSION_TIMEOUT"))
    acknowledged = frozenset(by_key[key] for key in stored)
    for name in revisions:
        _tell(*name, "suspend", "acknowledged" if name in acknowledged else "unreachable")
    return acknowledged


class Advance(NamedTuple):
    """One pointer to advance: whose, what the ledger says of it, and what the caller committed."""

    resource: str
    identifier: str
    ledger: Callable[[], Standing | None]
    own: Current | None = None


def advance(
    resource: str,
    identifier: str,
    ledger: Callable[[], Standing | None],
    own: Current | None = None,
) -> Confirmation:
    """Let the pointer say what the ledger says, if something older is there (rule 2).

    `own` is what the caller has just committed: it may replace its own suspension with it. Where
    anything else is found, `ledger` is called *after* taking the token, and only that is believed.
    """
    try:
        result = _advance(resource, identifier, ledger, own)
    except CacheUnreachable:
        result = Confirmation.UNREACHABLE
    _tell(resource, identifier, "advance", result.value)
    return result


def advance_many(advances: Sequence[Advance]) -> dict[Name, Confirmation]:
    """Advance each as `advance` does; those that find their own suspension, in two round trips.

    Any other goes by itself: what the ledger says of it is read after its own token was taken.
    """
    done = _advance_own(advances) if len(advances) > 1 else {}
    confirmations = {}
    for one in advances:
        name = (one.resource, one.identifier)
        if name in done:
            confirmations[name] = done[name]
            _tell(*name, "advance", done[name].value)
        else:
            confirmations[name] = advance(*one)
    return confirmations


def _advance_own(advances: Sequence[Advance]) -> dict[Name, Confirmation]:
    """Replace the callers' own suspensions at one go; return those whose pointer is confirmed."""
    by_key = {keys.pointer_key(one.resource, one.identifier): one for one in advances}
    try:
        there = cache.get_many_with_tokens(by_key)
        # Overwrites by compare-and-set, and nothing but a suspension that this very caller put
        # there: no later change has come since.
        replaced = cache.replace_many(
            {
                key: (encode(one.own, key), there[key].token, timeout_seconds(one.own))
                for key, one in by_key.items()
                if one.own is not None
                and key in there
                and _maybe_suspended(there[key].value, key) == Suspended(one.own.revision)
            }
        )
    except CacheUnreachable:
        # Some node did not answer. Each goes by itself: those of the others are advanced.
        return {}
    return {
        (one.resource, one.identifier): (
            Confirmation.ADVANCED if key in there else Confirmation.NOTHING_THERE
        )
        for key, one in by_key.items()
        if key not in there or replaced.get(key, False)
    }


def _advance(
    resource: str,
    identifier: str,
    ledger: Callable[[], Standing | None],
    own: Current | None,
) -> Confirmation:
    key = keys.pointer_key(resource, identifier)
    for _ in range(_ATTEMPTS):
        there = cache.get_with_token(key)
        if there is None:
            # Nothing is put here: a suspension of a later change may have been lost, and filling
            # the gap from what we know would let readers use what that change made the past.
            return Confirmation.NOTHING_THERE
        # Foreign bytes count as nothing known, which any revision is newer than.
        pointer = _maybe_suspended(there.value, key) or Absent()
        if own is not None and pointer == Suspended(own.revision):
            target = own
        else:
            standing = ledger()
            if standing is None:
                return Confirmation.NEWER if pointer.revision else Confirmation.ADVANCED
            target = Current(standing.state, standing.revision)
        if pointer.revision > target.revision:
            return Confirmation.NEWER
        if pointer == target:
            return Confirmation.ADVANCED
        # Overwrites by compare-and-set: an older revision, or a suspension of one that is
        # committed, gives way to what the ledger says; anything that moved meanwhile wins.
        if cache.replace(key, encode(target, key), there.token, timeout_seconds(target)):
            return Confirmation.ADVANCED
    return Confirmation.CONTENDED


@dataclass(frozen=True, slots=True)
class Gap:
    """An absent pointer that this reader has marked, and may fill from what it reads next."""

    resource: str
    identifier: str
    key: str
    token: object


def mark(resource: str, identifier: str) -> Gap | None:
    """Mark an absent pointer, *before* the ledger is asked (rule 3); None if it can't be filled.

    With `add`, so never over a suspension. What the ledger says after this may be filled in with
    `seed`, which fails if anything came in between: a plain `add` afterwards would succeed as well
    when a whole change has come and its pointer gone again. Bytes that are no pointer are in
    the way of an `add` for as long as they live: their own token marks the gap.
    """
    key = keys.pointer_key(resource, identifier)
    try:
        added = cache.add(key, encode(_MARK, key), timeout_seconds(_MARK))
        there = cache.get_with_token(key)
    except CacheUnreachable:
        return None
    if there is None:
        return None
    known = _maybe_suspended(there.value, key)
    # A mark that is not ours is left to the process that put it there.
    if known is not None and not (added and known == _MARK):
        return None
    return Gap(resource, identifier, key, there.token)


def seed(gap: Gap, standing: Standing | None) -> bool:
    """Fill a marked gap from the ledger row read since, or its absence (rule 3).

    Return False if something else is there by now: a suspension, or nothing.
    """
    pointer: Pointer = Absent()
    if standing is not None:
        pointer = Current(standing.state, standing.revision)
    data, timeout = encode(pointer, gap.key), timeout_seconds(pointer)
    try:
        # Overwrites our own mark, by compare-and-set, and nothing else.
        seeded = cache.replace(gap.key, data, gap.token, timeout)
    except CacheUnreachable:
        seeded = False
    _tell(gap.resource, gap.identifier, "seed", "seeded" if seeded else "taken")
    return seeded


class Seen(NamedTuple):
    """What a look at many pointers showed.

    `absent` are those for which a node said that nothing is there, or nothing that was stored by
    our backend; what is in neither could not be read, or not be asked for.
    """

    pointers: Mapping[str, Pointer]
    absent: frozenset[str]


def see(resource: str, identifiers: Iterable[str]) -> Seen:
    """Return which pointers are there, and which are not, in one round trip a node."""
    by_key = {keys.pointer_key(resource, identifier): identifier for identifier in identifiers}
    found, reachable = cache.get_shared(by_key)
    pointers = {by_key[key]: decode(value, key) for key, value in found.items()}
    return Seen(
        {name: pointer for name, pointer in pointers.items() if pointer is not None},
        frozenset(by_key.values()).difference(pointers) if reachable else frozenset(),
    )


def look(resource: str, identifiers: list[str]) -> Mapping[str, Pointer]:
    """Return the pointers that are there, in one round trip a node; none if it can't be reached."""
    return see(resource, identifiers).pointers


def _tell(resource: str, identifier: str, step: str, result: str) -> None:
    events.emit(events.PointerMoved(resource, identifier, step, result))
