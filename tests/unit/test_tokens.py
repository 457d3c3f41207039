"""Who asks: a token is taken only if a key of ours signed it, whichever kind of key we have."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from edx_rest_framework_extensions.auth.jwt.decoder import jwt_decode_handler
from jwt.algorithms import RSAAlgorithm
from pytest_django import Settings

from coordinator.settings import base


def claims() -> dict[str, object]:
    """Return what a valid token says."""
    return {
        "iss": base.JWT_ISSUER,
        "aud": base.JWT_AUDIENCE,
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
        "preferred_username": "ada",
        "user_id": 7,
    }


def token(key: object, algorithm: str, **changes: object) -> str:
    """Return a token signed with `key`."""
    return jwt.encode({**claims(), **changes}, key, algorithm=algorithm)  # type: ignore[arg-type]  # RSA or text


def test_a_token_with_the_shared_secret_is_taken(settings: Settings) -> None:
    settings.JWT_AUTH = base.jwt_auth("shared-secret-of-32-bytes-or-more")

    assert jwt_decode_handler(token("shared-secret-of-32-bytes-or-more", "HS256"))["user_id"] == 7


@pytest.mark.parametrize(
    "forged",
    [
        token("another-secret-of-32-bytes-or-more", "HS256"),
        jwt.encode(claims(), "", algorithm="none"),
        token("shared-secret-of-32-bytes-or-more", "HS256", aud="somebody-else"),
        token("shared-secret-of-32-bytes-or-more", "HS256", iss="somebody-else"),
        token("shared-secret-of-32-bytes-or-more", "HS256", exp=1_700_000_001),
    ],
    ids=["another key", "no signature", "another audience", "another issuer", "expired"],
)
def test_a_token_that_is_not_for_us_is_refused(settings: Settings, forged: str) -> None:
    settings.JWT_AUTH = base.jwt_auth("shared-secret-of-32-bytes-or-more")

    with pytest.raises(jwt.InvalidTokenError):
        jwt_decode_handler(forged)


def test_a_token_of_the_public_key_set_is_taken_and_others_are_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = RSAAlgorithm.to_jwk(ours.public_key(), as_dict=True)
    monkeypatch.setattr(base, "JWT_PUBLIC_SIGNING_JWK_SET", json.dumps({"keys": [public]}))
    settings.JWT_AUTH = base.jwt_auth("")

    assert jwt_decode_handler(token(ours, "RS512"))["user_id"] == 7
    for forged in (
        token(theirs, "RS512"),
        token("another-secret-of-32-bytes-or-more", "HS256"),
        jwt.encode(claims(), "", algorithm="none"),
    ):
        with pytest.raises(jwt.InvalidTokenError):
            jwt_decode_handler(forged)
