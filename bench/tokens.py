"""Tokens as the identity service would make them, for the one reader who asks for everything."""

import time

import jwt
from django.conf import settings

from bench.things import OWNER


def token() -> str:
    """Return a token that outlasts the run."""
    issuer = settings.JWT_AUTH["JWT_ISSUERS"][0]
    now = int(time.time())
    claims = {
        "aud": issuer["AUDIENCE"],
        "iss": issuer["ISSUER"],
        "iat": now,
        "exp": now + 86_400,
        "preferred_username": f"learner-{OWNER}",
        "user_id": int(OWNER),
        "administrator": False,
        "scopes": [],
        "version": "1.2.0",
    }
    return jwt.encode(claims, issuer["SECRET_KEY"], algorithm="HS256")
