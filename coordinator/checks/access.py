"""Checks the secrets, and the keys that tokens are verified with."""

import json
from collections.abc import Iterator

from django.conf import settings
from django.core import checks

SECRETS = ("SECRET_KEY", "JWT_SECRET_KEY", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS")
#: Is part of every secret that the development settings have, and of no other.
DEVELOPMENT_MARK = "insecure"


def production_secrets() -> Iterator[checks.CheckMessage]:
    """Production has secrets of its own; the settings refuse to start without any."""
    if not settings.COORDINATOR_PRODUCTION:
        return
    for name in SECRETS:
        value = getattr(settings, name, "")
        values = [value] if isinstance(value, str) else list(value)
        if any(DEVELOPMENT_MARK in secret for secret in values):
            yield checks.Error(
                f"{name} holds the development settings' value, which is published.",
                hint="Set one of this deployment's own in the environment.",
                id="coordinator.E006",
            )


def token_keys() -> Iterator[checks.CheckMessage]:
    """A token is verified by some key: edx-drf-extensions takes any token when there is none."""
    key_set = settings.JWT_AUTH.get("JWT_PUBLIC_SIGNING_JWK_SET")
    problem = _problem_of(key_set)
    if problem:
        yield checks.Error(
            f"JWT_PUBLIC_SIGNING_JWK_SET {problem}: nothing would tell a forged token from a "
            "real one.",
            hint='Set it to the identity service\'s public key set, like {"keys": [{"kty": "RSA", '
            "...}]}, or set JWT_SECRET_KEY and leave it out.",
            id="coordinator.E007",
        )


def _problem_of(key_set: object) -> str:
    """Return what is wrong with a key set's JSON, the empty string if nothing is."""
    if not isinstance(key_set, str) or not key_set:
        return "is not set, and no secret key either"
    try:
        content = json.loads(key_set)
    except ValueError:
        return "is not JSON"
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list) or not keys:
        return 'has no "keys"'
    for key in keys:
        if not isinstance(key, dict) or "kty" not in key:
            return 'has a key without "kty"'
        if key["kty"] == "oct" and not key.get("k"):
            return "has an empty symmetric key"
    return ""
