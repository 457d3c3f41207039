r"""The cached value of one state: its envelope, its bytes, and what makes it unfit for use.

Stored form, readable by eye and by any language, never a pickle::

    <checksum: 16 hex digits> <header: one line of JSON>\n<payload: JSON, as it is sent>

The checksum covers header and payload. A test pins these bytes: a change of them changes
``ENCODING`` too, so that a release never reads what it would misunderstand.
"""

from hashlib import blake2b
from math import log

import msgspec
from xxhash import xxh3_64_hexdigest

from coordinator.core.keys import EntryKey
from coordinator.errors import CoordinatorError

ENCODING = 1
_CHECKSUM_DIGITS = 16


class EntryUnusable(CoordinatorError):
    """The bytes under this key are not an entry that this release may use."""

    permanent = True


class EntryDamaged(EntryUnusable):
    """The bytes under this key are not what was stored there."""

    reason = "damaged"


class EntryOfAnotherSchema(EntryUnusable):
    """The entry under this key was written by a release with another schema or encoding."""

    reason = "schema"


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One precomputed value and what must be known of it to decide whether to use it.

    `revision` is the ledger's before the load began, `loaded_at` when it began (seconds since the
    epoch), `load_seconds` what it took; `refresh_after` and `expires_at` are times as well.
    """

    payload: bytes
    state: str
    revision: int
    loaded_at: float
    load_seconds: float
    refresh_after: float
    expires_at: float
    owner: str
    schema: int
    etag: str

    def __repr__(self) -> str:
        # Without the payload: what is printed ends up in a log.
        return f"<CacheEntry {self.state} r{self.revision} {len(self.payload)} bytes>"

    def age_seconds(self, now: float) -> float:
        """Return how long ago the load of this entry began, never below 0."""
        return max(0.0, now - self.loaded_at)

    def unfit(self, revision: int, now: float) -> str:
        """Return why a reader who wants `revision` can't use this: revision, expired, or ""."""
        if self.revision < revision:
            return "revision"
        return "expired" if self.expires_at <= now else ""

    def order(self) -> tuple[int, float]:
        """Return what decides which of two entries is the newer one."""
        return (self.revision, self.loaded_at)

    def due(self, now: float, chance: float, beta: float = 1.0) -> bool:
        """Return True if this reader should have the entry refreshed before it expires.

        Probabilistic early expiration ("XFetch": Vattani, Chierichetti, Lowenstein, "Optimal
        Probabilistic Cache Stampede Prevention", VLDB 2015): the costlier the load, the earlier
        one of many readers volunteers. `chance` is uniform in (0, 1].
        """
        return now - self.load_seconds * beta * log(chance) >= self.refresh_after


class _Header(msgspec.Struct, frozen=True):
    encoding: int
    name: str
    schema: int
    state: str
    revision: int
    loaded_at: float
    load_seconds: float
    refresh_after: float
    expires_at: float
    owner: str
    etag: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Header)


def etag_of(payload: bytes) -> str:
    """Return the entity tag's text: changes with the content, and with nothing else."""
    return blake2b(payload, digest_size=12).hexdigest()


def encode(entry: CacheEntry, key: EntryKey) -> bytes:
    """Return the bytes to store for `entry` under `key`."""
    header = _encoder.encode(
        _Header(
            encoding=ENCODING,
            name=str(key),
            schema=entry.schema,
            state=entry.state,
            revision=entry.revision,
            loaded_at=entry.loaded_at,
            load_seconds=entry.load_seconds,
            refresh_after=entry.refresh_after,
            expires_at=entry.expires_at,
            owner=entry.owner,
            etag=entry.etag,
        )
    )
    body = header + b"\n" + entry.payload
    return _checksum(body) + b" " + body


def decode(data: object, key: EntryKey) -> CacheEntry:
    """Return the entry in `data`, or raise EntryDamaged or EntryOfAnotherSchema.

    The name inside must be the name asked for: bytes that were moved to another key, by mistake or
    on purpose, would otherwise hand one owner's payment to another.
    """
    if not isinstance(data, bytes) or data[_CHECKSUM_DIGITS : _CHECKSUM_DIGITS + 1] != b" ":
        raise EntryDamaged
    body = data[_CHECKSUM_DIGITS + 1 :]
    if _checksum(body) != data[:_CHECKSUM_DIGITS]:
        raise EntryDamaged
    line, newline, payload = body.partition(b"\n")
    try:
        header = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # An intact checksum over a header that can't be read: written by another release. (Bytes
        # that are no UTF-8, and endless brackets, are not msgspec's own errors.)
        raise EntryOfAnotherSchema from None
    if header.encoding != ENCODING or header.schema != key.schema:
        raise EntryOfAnotherSchema
    if not newline or header.name != key.name or header.state != key.state:
        raise EntryDamaged
    return CacheEntry(
        payload=payload,
        state=header.state,
        revision=header.revision,
        loaded_at=header.loaded_at,
        load_seconds=header.load_seconds,
        refresh_after=header.refresh_after,
        expires_at=header.expires_at,
        owner=header.owner,
        schema=header.schema,
        etag=header.etag,
    )


def _checksum(body: bytes) -> bytes:
    # Against damage, not against malice: a keyed hash would cost more than the round trip allows.
    return xxh3_64_hexdigest(body).encode()
