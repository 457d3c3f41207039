"""Verifies a token: its signature, its times with one leeway, and the form of every claim we use.

Stands in for edx-drf-extensions' decoder (10.9) as JWT_DECODE_HANDLER and keeps its rules: the same
settings, keys, algorithms and required claims. That one decodes twice, and applies JWT_LEEWAY to
the second time only, so a token of a clock one second ahead was refused.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import jwt
from django.conf import settings
from edx_rest_framework_extensions.settings import get_first_jwt_issuer, get_jwt_issuers
from jwt.utils import base64url_encode

#: Which algorithms a key of each type may have signed with: a public key is never a shared secret.
_ALGORITHMS: Final[Mapping[str, list[str]]] = {"RSA": ["RS256", "RS512"], "oct": ["HS256"]}
#: The form of a token's version, and the newest first part of it that we understand.
_VERSION: Final = re.compile(r"([0-9]{1,9})\.[0-9]{1,9}\.[0-9]{1,9}", re.ASCII)
_NEWEST_MAJOR: Final = 1
# Of Django's user model, which holds both.
_LONGEST_NAME: Final = 150
_LONGEST_EMAIL: Final = 254
# What PyJWT (2.15) lets through of hostile JSON: an infinite time, a header nested too deeply.
_ODD: Final = (ValueError, TypeError, OverflowError, AttributeError, RecursionError)


def verify(token: str) -> dict[str, Any]:
    """Return the claims of `token`; raise jwt.InvalidTokenError if it may not be believed.

    Times (``exp``, ``nbf``, ``iat``) are compared with a leeway of JWT_LEEWAY seconds either way. A
    claim of ours in another form than the identity service gives it refuses the whole token.
    """
    try:
        claims = _decoded(token)
        if not all(_is_sound(name, value) for name, value in claims.items() if value is not None):
            raise jwt.InvalidTokenError("A claim has another form than it should.")
    except _ODD as error:
        raise jwt.InvalidTokenError("The token can't be read.") from error
    return {"version": "1.0.0", "is_restricted": False, "filters": []} | {
        name: value for name, value in claims.items() if value is not None
    }


def _decoded(token: str) -> dict[str, Any]:
    issuer, options = get_first_jwt_issuer(), settings.JWT_AUTH
    keys = _keys(options.get("JWT_PUBLIC_SIGNING_JWK_SET") or "", issuer["SECRET_KEY"] or "")
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=_ALGORITHMS[str(key.key_type)],
                audience=issuer["AUDIENCE"],
                leeway=options.get("JWT_LEEWAY", 0),
                options={
                    "require": ["exp", "iat"],
                    "verify_exp": options.get("JWT_VERIFY_EXPIRATION", True),
                    "verify_aud": options.get("JWT_VERIFY_AUDIENCE", True),
                },
            )
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError):
            # Not this key's.
            continue
        if claims.get("iss") not in [known["ISSUER"] for known in get_jwt_issuers()]:
            raise jwt.InvalidIssuerError("Another issuer's.")
        return claims
    raise jwt.InvalidSignatureError("No key of ours has signed it.")


@lru_cache(maxsize=8)
def _keys(key_set: str, secret: str) -> tuple[jwt.PyJWK, ...]:
    """Return the keys that may have signed a token: of the set (JSON), and the shared secret."""
    keys = list(jwt.PyJWKSet.from_json(key_set).keys) if key_set else []
    if secret:
        encoded = base64url_encode(secret.encode()).decode()
        keys.append(jwt.PyJWK({"kty": "oct", "k": encoded}, algorithm="HS256"))
    return tuple(key for key in keys if key.key_type in _ALGORITHMS)


def _is_sound(name: str, value: object) -> bool:
    """Return True if a claim has the form that its readers rely on, or if it has no reader."""
    sound = _SOUND.get(name)
    return sound is None or sound(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable()


def _is_email(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_EMAIL and value.isprintable()


def _is_id(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or _is_name(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_version(value: object) -> bool:
    found = _VERSION.fullmatch(value) if isinstance(value, str) else None
    return found is not None and int(found[1]) <= _NEWEST_MAJOR


_SOUND: Final[Mapping[str, Callable[[object], bool]]] = {
    "preferred_username": _is_name,
    "username": _is_name,
    "email": _is_email,
    "user_id": _is_id,
    "administrator": _is_flag,
    "is_restricted": _is_flag,
    "version": _is_version,
    "scopes": _is_list,
    "filters": _is_list,
}
