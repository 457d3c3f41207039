"""Registers: who did something and when, in the shared cache, for pages that people look at.

Key pattern: ``register.<name>``, one JSON object from member to word and time. Timeout: a day. A
hint, never a decision: what a register forgets (a flushed cache) is noted again the next time.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from coordinator.core import cache, clock
from coordinator.errors import CacheUnreachable

_TIMEOUT_SECONDS: Final = 86_400
_MOST_MEMBERS: Final = 200
_ATTEMPTS: Final = 5


class Noted(msgspec.Struct, frozen=True, array_like=True):
    """A member's last word, and when it was said (seconds since the epoch)."""

    word: str
    at: float


_decoder = msgspec.json.Decoder(dict[str, Noted])


def note(register: str, member: str, word: str = "") -> bool:
    """Note `member` as of now; return False if the cache did not take it. Never raises for that.

    Beyond 200 members the ones that were noted longest ago are dropped.
    """
    key = _key(register)
    try:
        for _ in range(_ATTEMPTS):
            there = cache.get_with_token(key)
            members = {} if there is None else dict(_decoded(there.value))
            members[member] = Noted(word, clock.current().now())
            newest = sorted(members.items(), key=lambda item: item[1].at)[-_MOST_MEMBERS:]
            data = msgspec.json.encode(dict(newest))
            if there is None:
                if cache.add(key, data, _TIMEOUT_SECONDS):
                    return True
            elif cache.replace(key, data, there.token, _TIMEOUT_SECONDS):
                return True
    except CacheUnreachable:
        return False
    return False


def members(*registers: str) -> dict[str, Mapping[str, Noted]]:
    """Return the members of each register, in one round trip; none where nothing can be told."""
    found = cache.get_shared([_key(name) for name in registers]).found
    return {name: _decoded(found.get(_key(name))) for name in registers}


def _decoded(value: object) -> Mapping[str, Noted]:
    if not isinstance(value, bytes):
        return {}
    try:
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _key(name: str) -> str:
    return f"register.{name}"
