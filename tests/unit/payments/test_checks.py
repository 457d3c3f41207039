"""The system checks of this app: each wrong setting, by its id."""

import pytest
from pytest_django import Settings

from coordinator.payments.checks import check_provider


def ids() -> list[str | None]:
    return [message.id for message in check_provider()]


def test_the_settings_as_they_are_pass() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("COORDINATOR_PROVIDER", "coordinator.payments.providers.nobody.Nobody", "E001"),
        ("COORDINATOR_PROVIDER", "nonsense", "E001"),
        ("STRIPE_API_KEY", "", "E002"),
        ("STRIPE_API_KEY", "sk_live_1", "E003"),
        ("STRIPE_API_KEY", "rk_live_1", "E003"),
        ("STRIPE_LIVEMODE", True, "E003"),
        ("STRIPE_WEBHOOK_SECRETS", [], "E004"),
        ("STRIPE_WEBHOOK_SECRETS", ["", " "], "E004"),
        ("STRIPE_WEBHOOK_TOLERANCE_SECONDS", 0, "E005"),
        ("STRIPE_WEBHOOK_TOLERANCE_SECONDS", 86_400, "E005"),
    ],
)
def test_a_wrong_setting_is_named(settings: Settings, name: str, value: object, wrong: str) -> None:
    setattr(settings, name, value)
    assert ids() == [f"coordinator.payments.{wrong}"]


def test_another_provider_needs_none_of_stripes_settings(settings: Settings) -> None:
    settings.COORDINATOR_PROVIDER = "coordinator.payments.providers.rest.RestProvider"
    settings.STRIPE_API_KEY = ""
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert ids() == []
