"""Who is asking, by the claims of a token that was verified."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.request import Request

from coordinator.web.readers import reader_of


def asking(**claims: object) -> Request:
    """Return the request of a user with these claims."""
    user = User(pk=7)
    user._token_claims = claims  # type: ignore[attr-defined]  # as TokenAuthentication leaves them
    request = Request(HttpRequest())
    request.user = user
    return request


def test_the_claim_administrator_makes_staff() -> None:
    assert reader_of(asking(user_id=42, administrator=True)).is_staff


@pytest.mark.parametrize("claim", [False, None, 1, 1.0, "true", "1", [True], {"a": 1}], ids=repr)
def test_only_the_value_true_makes_staff(claim: object) -> None:
    assert reader_of(asking(user_id=42, administrator=claim)).is_staff is False


def test_a_token_without_the_claim_makes_no_staff() -> None:
    assert reader_of(asking(user_id=42)).is_staff is False


@pytest.mark.parametrize("claim", [True, None, 4.2, [42]], ids=repr)
def test_a_claim_that_is_no_id_owns_nothing(claim: object) -> None:
    reader = reader_of(asking(user_id=claim))
    assert reader.lms_user_id == ""
    assert not reader.may_read("")
