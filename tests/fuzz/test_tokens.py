"""Signed tokens: whatever one claims, it is believed or refused, never an error of ours."""

import json
import time
from typing import Any

import jwt
import pytest
from django.conf import settings as ours
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from tests.fuzz.budget import Progress, share

FINE = frozenset({401, 403, 404})
CLAIMS = (
    *("aud", "iss", "sub", "jti", "iat", "nbf", "exp", "version", "is_restricted", "filters"),
    *("scopes", "user_id", "preferred_username", "username", "email", "administrator"),
)
# NaN and the infinities as well: Python's JSON has them.
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200)
VALUES = st.recursive(
    ATOMS | st.text(min_size=1).map(lambda text: text * 60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(autouse=True)
def no_limits(sqlite_ledger: None, settings: Settings) -> None:
    """Let one user ask for as much as fits into a test."""
    settings.COORDINATOR_USER_READS_PER_MINUTE = 0
    settings.COORDINATOR_STAFF_READS_PER_MINUTE = 0


def signed(**claims: object) -> str:
    """Return a token with these claims, also those that a library would not sign."""
    issuer, now = ours.JWT_AUTH["JWT_ISSUERS"][0], int(time.time())
    usual = {"aud": issuer["AUDIENCE"], "iss": issuer["ISSUER"], "iat": now, "exp": now + 600}
    payload = json.dumps({**usual, "preferred_username": "x", "user_id": 42, **claims})
    return jwt.PyJWS().encode(payload.encode(), issuer["SECRET_KEY"], algorithm="HS256")


def test_any_claims_get_a_clear_answer() -> None:
    client, progress = Client(raise_request_exception=False), Progress("tokens")

    @share(15)
    @given(claims=st.dictionaries(st.sampled_from(CLAIMS), VALUES, min_size=1, max_size=3))
    def read(claims: dict[str, Any]) -> None:
        progress.tick()
        headers = {"Authorization": f"JWT {signed(**claims)}"}
        answer = client.get("/api/v1/payments/EDX-0/", headers=headers)
        assert answer.status_code in FINE, (answer.status_code, claims)

    read()
