"""Who asks: a token is taken only if a key of ours signed it, whichever kind of key we have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from pytest_django import Settings

from coordinator.settings import base
from coordinator.web.tokens import verify


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
    """Return a token signed with `key`, also one that PyJWT would not make of its own accord."""
    payload = json.dumps({**claims(), **changes}).encode()
    return jwt.PyJWS().encode(payload, key, algorithm=algorithm)  # type: ignore[arg-type]  # RSA or text


def test_a_token_with_the_shared_secret_is_taken(settings: Settings) -> None:
    settings.JWT_AUTH = base.jwt_auth("shared-secret-of-32-bytes-or-more")

    assert verify(token("shared-secret-of-32-bytes-or-more", "HS256"))["user_id"] == 7


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
        verify(forged)


def test_a_token_of_the_public_key_set_is_taken_and_others_are_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = RSAAlgorithm.to_jwk(ours.public_key(), as_dict=True)
    monkeypatch.setattr(base, "JWT_PUBLIC_SIGNING_JWK_SET", json.dumps({"keys": [public]}))
    settings.JWT_AUTH = base.jwt_auth("")

    assert verify(token(ours, "RS512"))["user_id"] == 7
    for forged in (
        token(theirs, "RS512"),
        token("another-secret-of-32-bytes-or-more", "HS256"),
        jwt.encode(claims(), "", algorithm="none"),
    ):
        with pytest.raises(jwt.InvalidTokenError):
            verify(forged)


Sign = Callable[..., str]


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    """Return the identity service's key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(params=["HS256", "RS512"])
def sign(
    request: pytest.FixtureRequest, settings: Settings, private_key: rsa.RSAPrivateKey
) -> Sign:
    """Return what signs a token in one of the two ways that count."""
    secret = "shared-secret-of-32-bytes-or-more"
    if request.param == "HS256":
        settings.JWT_AUTH = base.jwt_auth(secret)
        return lambda **changes: token(secret, "HS256", **changes)
    public = RSAAlgorithm.to_jwk(private_key.public_key(), as_dict=True)
    key_set = json.dumps({"keys": [public]})
    settings.JWT_AUTH = base.jwt_auth("") | {"JWT_PUBLIC_SIGNING_JWK_SET": key_set}
    return lambda **changes: token(private_key, "RS512", **changes)


#: Inside the leeway of 10 seconds, and outside it, with room for a slow machine.
NEAR, FAR = 5, 60


@pytest.mark.parametrize(("name", "sign_of"), [("iat", 1), ("nbf", 1), ("exp", -1)])
def test_each_time_has_the_leeway_and_no_more(sign: Sign, name: str, sign_of: int) -> None:
    now = int(time.time())

    assert verify(sign(**{name: now + sign_of * NEAR}))["user_id"] == 7
    with pytest.raises(jwt.InvalidTokenError):
        verify(sign(**{name: now + sign_of * FAR}))


def test_the_leeway_is_a_setting(sign: Sign, settings: Settings) -> None:
    settings.JWT_AUTH = settings.JWT_AUTH | {"JWT_LEEWAY": 300}

    assert verify(sign(iat=int(time.time()) + FAR))["user_id"] == 7


@pytest.mark.parametrize(
    "odd",
    [
        {"version": "x"},
        {"version": "2.0.0"},
        {"version": 1},
        {"version": "1" * 400 + ".0.0"},
        {"exp": float("inf")},
        {"iat": float("inf")},
        {"nbf": float("nan")},
        {"exp": []},
        {"iss": []},
        {"aud": {}},
        {"sub": 7},
        {"user_id": [7]},
        {"user_id": 7.5},
        {"user_id": True},
        {"user_id": "7\ud800"},
        {"preferred_username": 7},
        {"preferred_username": "x" * 151},
        {"preferred_username": "a\x00b"},
        {"email": {}},
        {"administrator": "false"},
        {"administrator": 1},
        {"is_restricted": 0},
        {"filters": "a:b"},
        {"scopes": {}},
    ],
    ids=str,
)
def test_a_signed_token_with_an_odd_claim_is_refused(sign: Sign, odd: dict[str, object]) -> None:
    with pytest.raises(jwt.InvalidTokenError):
        verify(sign(**odd))


def test_a_claim_without_a_value_counts_as_left_out(sign: Sign) -> None:
    claimed = verify(sign(email=None, version=None))

    assert "email" not in claimed
    assert claimed["version"] == "1.0.0"


def test_a_header_nested_too_deeply_is_refused(sign: Sign) -> None:
    head = jwt.utils.base64url_encode(b"[" * 100_000).decode()
    with pytest.raises(jwt.InvalidTokenError):
        verify(f"{head}.{sign().partition('.')[2]}")


def test_without_any_key_no_token_counts(settings: Settings) -> None:
    settings.JWT_AUTH = base.jwt_auth("") | {"JWT_PUBLIC_SIGNING_JWK_SET": ""}
    with pytest.raises(jwt.InvalidTokenError):
        verify(token("shared-secret-of-32-bytes-or-more", "HS256"))
