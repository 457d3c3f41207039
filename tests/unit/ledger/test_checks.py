"""What the system checks say of the transactions that changes join."""

from typing import Any

import pytest
from django.conf import settings as django_settings

from coordinator.ledger.checks import check_transactions


def ids(settings: Any, *, atomic: str, requests: bool, options: str = "") -> list[str | None]:
    database = {
        **django_settings.DATABASES["default"],
        "ATOMIC_REQUESTS": requests,
        "OPTIONS": {"options": options},
    }
    settings.COORDINATOR_ATOMIC = atomic
    settings.DATABASES = {"default": database}
    return [message.id for message in check_transactions()]


# Django warns of any DATABASES that are set in a test.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


def test_without_transactions_of_requests_there_is_nothing_to_say(settings: Any) -> None:
    assert ids(settings, atomic="join", requests=False) == []


def test_transactions_of_requests_want_a_bound(settings: Any) -> None:
    assert ids(settings, atomic="join", requests=True) == ["coordinator.W007"]
    idle = "-c idle_in_transaction_session_timeout=1000"
    assert ids(settings, atomic="join", requests=True, options=idle) == ["coordinator.W007"]
    bound = f"{idle} -c transaction_timeout=30000"
    assert ids(settings, atomic="join", requests=True, options=bound) == []


def test_who_joins_nothing_needs_no_bound(settings: Any) -> None:
    assert ids(settings, atomic="outermost", requests=True) == []


def test_another_mode_is_a_mistake(settings: Any) -> None:
    assert ids(settings, atomic="maybe", requests=False) == ["coordinator.E024"]
