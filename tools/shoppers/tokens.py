"""Credentials as Open edX gives them: a signed token that says who its bearer is."""

import time
from collections.abc import Callable, Mapping

import jwt

from tools.shoppers.people import Credential, Person

#: A day, so that a printed credential works for as long as it is tried.
_LIFETIME_SECONDS = 24 * 3600
#: A token is made anew when this much of its life is left.
_MARGIN_SECONDS = 600


def token_credential(
    secret: str,
    *,
    issuer: str = "http://127.0.0.1:8000/oauth2",
    audience: str = "coordinator",
    clock: Callable[[], float] = time.time,
) -> Credential:
    """Return the credential that signs all tokens with `secret`, HS256, and keeps them."""
    kept: dict[Person, tuple[float, Mapping[str, str]]] = {}

    def credential(person: Person) -> Mapping[str, str]:
        now = clock()
        expires_at, headers = kept.get(person, (0.0, {}))
        if expires_at - now < _MARGIN_SECONDS:
            expires_at = now + _LIFETIME_SECONDS
            token = jwt.encode(_claims(person, now, expires_at, issuer, audience), secret, "HS256")
            headers = {"Authorization": f"JWT {token}"}
            kept[person] = expires_at, headers
        return headers

    return credential


def _claims(
    person: Person, now: float, expires_at: float, issuer: str, audience: str
) -> dict[str, object]:
    """Return the claims that the LMS gives a user."""
    role = "staff" if person.is_staff else "learner"
    return {
        "iss": issuer,
        "aud": audience,
        "iat": int(now),
        "exp": int(expires_at),
        "version": "1.2.0",
        "scopes": ["read"],
        "filters": [],
        "is_restricted": False,
        "preferred_username": f"{role}-{person.lms_user_id}",
        "user_id": person.lms_user_id,
        "administrator": person.is_staff,
    }
