"""Open edX tokens for tests, made as the LMS makes them."""

import time
from typing import Any

import jwt
from django.conf import settings


def token(user_id: Any = 42, *, key: str | None = None, **claims: Any) -> str:
    """Return a token signed with HS256; `claims` add to or replace the usual ones."""
    issuer = settings.JWT_AUTH["JWT_ISSUERS"][0]
    payload: dict[str, Any] = {
        "aud": issuer["AUDIENCE"],
        "iss": issuer["ISSUER"],
        "iat": int(time.time()),
        "exp": int(time.time()) + 600,
        "preferred_username": f"learner-{user_id}",
        "user_id": user_id,
        "administrator": False,
        "scopes": [],
        "version": "1.2.0",
    } | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key or issuer["SECRET_KEY"], algorithm="HS256")


def bearer(user_id: Any = 42, **claims: Any) -> dict[str, str]:
    """Return the header that sends such a token."""
    return {"Authorization": f"JWT {token(user_id, **claims)}"}


def staff() -> dict[str, str]:
    """Return the header of a member of staff."""
    return bearer(7, preferred_username="staff", administrator=True)
