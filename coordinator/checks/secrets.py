"""Checks whether a secret could be guessed: ``python manage.py check --deploy``."""

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from django.conf import settings
from django.core import checks

#: RFC 7518, 3.2: a key of HS256 is as long as its hash.
_LEAST_OF_JWT: Final = 32
_LEAST_OF_DJANGO: Final = 32
_LEAST: Final = 16
#: Bits, as far as a text alone tells: 16 hexadecimal digits drawn at random have 64.
_LEAST_BITS: Final = 50.0
_PREFIX: Final = re.compile(r"^(?:whsec_|[a-z]{2}_(?:live|test)_)")
#: Parts of a secret that was thought up, or copied from an example.
_WORDS: Final = re.compile(
    r"passw(?:or)?d|secret|change.?me|example|insecure|default|token|test|admin|coordinator|qwerty|development|jwt|key",
    re.IGNORECASE,
)
_LEAST_BY_NAME: Final = {
    "SECRET_KEY": _LEAST_OF_DJANGO,
    "JWT_SECRET_KEY": _LEAST_OF_JWT,
    "STRIPE_API_KEY": _LEAST,
    "STRIPE_WEBHOOK_SECRETS": _LEAST,
    "COORDINATOR_REST_TOKEN": _LEAST,
    "COORDINATOR_REST_WEBHOOK_SECRETS": _LEAST,
    "COORDINATOR_OPERATIONS_TOKEN": _LEAST,
}


def guessable_secrets() -> Iterator[checks.CheckMessage]:
    """Each secret that is set is long, and looks as if it had been drawn at random."""
    for name, least in _LEAST_BY_NAME.items():
        value = getattr(settings, name, "")
        secrets = [value] if isinstance(value, str) else list(value)
        if any(secret and is_guessable(secret, least) for secret in secrets):
            yield _guessable(name, least)
    keys = settings.JWT_AUTH.get("JWT_PUBLIC_SIGNING_JWK_SET")
    # One made of JWT_SECRET_KEY has been judged.
    if not settings.JWT_SECRET_KEY and any(map(_is_short, _symmetric_keys(keys))):
        yield _guessable("JWT_PUBLIC_SIGNING_JWK_SET", _LEAST_OF_JWT)


def closed_metrics() -> Iterator[checks.CheckMessage]:
    """In production metrics and health details are shown for the token only."""
    if settings.COORDINATOR_PRODUCTION and not settings.COORDINATOR_OPERATIONS_TOKEN:
        yield checks.Warning(
            "COORDINATOR_OPERATIONS_TOKEN is empty: /metrics and the details of /readyz are "
            "closed.",
            hint="Set it to a random text, and give Prometheus the same one.",
            id="coordinator.W004",
        )


def is_guessable(secret: str, least: int) -> bool:
    """Return True if `secret` has fewer than `least` characters of its own, or shows a pattern."""
    own = _WORDS.sub("", _PREFIX.sub("", secret))
    return len(own) < least or _bits(own) < _LEAST_BITS


def _bits(text: str) -> float:
    """Return how many bits the text's characters show, and the steps from each to the next.

    Repetition shows in neither: of a text that repeats a part, that part counts.
    """
    part = text[: (text + text).index(text, 1)]
    steps = [ord(after) - ord(before) for before, after in pairwise(part)]
    return min(_entropy(list(part)) * len(part), _entropy(steps) * len(steps))


def _entropy(symbols: Sequence[object]) -> float:
    counts = Counter(symbols).values()
    return -sum(count / len(symbols) * math.log2(count / len(symbols)) for count in counts)


def _symmetric_keys(key_set: object) -> list[str]:
    try:
        content = json.loads(str(key_set))
    except ValueError:
        # What is no key set is another check's to say.
        return []
    keys = content.get("keys") if isinstance(content, dict) else None
    found = [key for key in keys or () if isinstance(key, dict) and key.get("kty") == "oct"]
    return [str(key.get("k", "")) for key in found]


def _is_short(encoded: str) -> bool:
    try:
        key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        return True
    return is_guessable(key.decode("latin-1"), _LEAST_OF_JWT)


def _guessable(name: str, least: int) -> checks.CheckMessage:
    # The value goes to no log.
    return checks.Error(
        f"{name} holds a secret that is short, or shows a pattern: it could be guessed.",
        hint=f"Draw at least {least} characters at random, like "
        "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
        id="coordinator.E017",
    )
