"""``check --deploy`` refuses what could be guessed, and says where metrics are closed."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from pytest_django import Settings

from coordinator import checks
from coordinator.settings import base

GUESSED = [
    "x",
    "whsec_",
    "whsec_short",
    "a" * 64,
    "abc" * 20,
    "passwordpasswordpasswordpassword",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "sk_live_" + "1234567890" * 4,
    "change-me-change-me-change-me-change-me",
    "insecure-development-jwt-key",
]
NAMES = [
    "SECRET_KEY",
    "JWT_SECRET_KEY",
    "STRIPE_API_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "COORDINATOR_REST_TOKEN",
    "COORDINATOR_REST_WEBHOOK_SECRETS",
    "COORDINATOR_OPERATIONS_TOKEN",
]


@pytest.fixture(autouse=True)
def sound(settings: Settings) -> None:
    """Give every secret a value that was drawn at random, and be in production."""
    settings.COORDINATOR_PRODUCTION = True
    for name in NAMES:
        drawn: Any = secrets.token_urlsafe(48)
        setattr(settings, name, [f"whsec_{drawn}"] if name.endswith("SECRETS") else drawn)
    settings.JWT_AUTH = base.jwt_auth(settings.JWT_SECRET_KEY)


def ids() -> list[str | None]:
    return [message.id for message in checks.check_deployment()]


@pytest.mark.parametrize("draw", [secrets.token_urlsafe, secrets.token_hex])
def test_what_was_drawn_at_random_is_taken(settings: Settings, draw: Any) -> None:
    settings.STRIPE_API_KEY = f"sk_test_{draw(12)}"
    settings.COORDINATOR_OPERATIONS_TOKEN = draw(24)
    assert ids() == []


@pytest.mark.parametrize("guessed", GUESSED)
@pytest.mark.parametrize("name", NAMES)
def test_what_could_be_guessed_is_refused_without_being_shown(
    settings: Settings, name: str, guessed: str
) -> None:
    setattr(settings, name, [guessed] if name.endswith("SECRETS") else guessed)
    [message] = checks.check_deployment()
    assert message.id == "coordinator.E017"
    assert name in message.msg
    assert len(guessed) < 3 or guessed not in f"{message.msg} {message.hint}"


def test_a_short_symmetric_key_in_the_key_set_is_refused(settings: Settings) -> None:
    settings.JWT_SECRET_KEY = ""
    settings.JWT_AUTH = base.jwt_auth("") | {
        "JWT_PUBLIC_SIGNING_JWK_SET": base.symmetric_key_set("x")
    }
    assert ids() == ["coordinator.E017"]


def test_production_without_an_operations_token_is_told_that_metrics_are_closed(
    settings: Settings,
) -> None:
    settings.COORDINATOR_OPERATIONS_TOKEN = ""
    assert ids() == ["coordinator.W004"]
