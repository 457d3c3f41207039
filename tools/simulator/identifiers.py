"""Identifiers like Stripe's, derived instead of drawn: the same parts give the same identifier.

A payment's identifier comes from the simulator's seed, all others from their payment's, so a run
can be repeated to the letter and nothing needs to be kept to know, say, a client secret again.
"""

from base64 import b64encode
from hashlib import blake2b

_LENGTH = 24
_WITHOUT_SIGNS = bytes.maketrans(b"+/", b"xY")


def derive(prefix: str, *parts: str | int) -> str:
    """Return `prefix` and 24 letters and digits which depend on every one of `parts`."""
    digest = _digest(parts, size=_LENGTH * 3 // 4)
    return f"{prefix}_{b64encode(digest).translate(_WITHOUT_SIGNS).decode()}"


def derive_number(limit: int, *parts: str | int) -> int:
    """Return a number from 0 to `limit` - 1 which depends on every one of `parts`."""
    return int.from_bytes(_digest(parts, size=8), "big") % limit


def _digest(parts: tuple[str | int, ...], size: int) -> bytes:
    """Return `size` bytes that are the same for the same parts, on every machine."""
    return blake2b("\x00".join(map(str, parts)).encode(), digest_size=size).digest()
