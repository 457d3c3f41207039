"""Remembers verified tokens for a short time, so that the next request need not verify them again.

Per process, by a digest of the whole token, bounded in number. An entry ends at the token's ``exp``
or after ``COORDINATOR_TOKEN_MEMORY_SECONDS``, whichever is sooner; an account that was retired is
refused at the latest then, because its user is looked up anew. Decision record 0019 says what that
means for revocation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from coordinator.core import clock

#: The most tokens that a process remembers: a few megabytes.
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A verified token: its user as the database had it, its claims, when this ends (epoch)."""

    user: Any
    claims: Mapping[str, Any]
    until: float


_tokens: dict[bytes, Remembered] = {}
_lock = Lock()


def recall(token: str) -> Remembered | None:
    """Return what is known of a token that was verified lately, None if it has to be verified."""
    known = _tokens.get(_digest(token))
    return known if known is not None and clock.current().now() < known.until else None


def remember(token: str, user: Any, claims: Mapping[str, Any]) -> None:
    """Remember a token that was verified just now; does nothing if the setting is 0."""
    now = clock.current().now()
    seconds: float = settings.COORDINATOR_TOKEN_MEMORY_SECONDS
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return
    until = min(now + seconds, float(expires))
    if until <= now:
        return
    with _lock:
        if len(_tokens) >= MOST:
            _make_room(now)
        _tokens[_digest(token)] = Remembered(user, claims, until)


def forget() -> None:
    """Forget every token: the next request with each one is verified."""
    with _lock:
        _tokens.clear()


def _make_room(now: float) -> None:
    for digest in [digest for digest, known in _tokens.items() if known.until <= now]:
        del _tokens[digest]
    # All of them alive: those that were verified first go, a tenth at once.
    for digest in list(_tokens)[: max(0, len(_tokens) - MOST * 9 // 10)]:
        del _tokens[digest]


def _digest(token: str) -> bytes:
    # Of 256 bits, so two tokens never meet; and no token is kept in memory.
    return blake2b(token.encode("utf-8", "surrogateescape"), digest_size=32).digest()


@receiver(setting_changed, dispatch_uid="coordinator.web.token_memory")
def _forget_when_keys_change(setting: str, **_: object) -> None:
    if setting.startswith(("JWT_", "EDX_DRF_", "COORDINATOR_TOKEN_")):
        forget()
