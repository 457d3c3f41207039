"""The base error: what it says, and what is data on it."""

from __future__ import annotations

import copy
import pickle

import pytest

from coordinator.errors import CacheUnreachable, CoordinatorError


class QuotaSpent(CoordinatorError):
    """Upstream takes no more calls for now.

    The second paragraph is for whoever reads the code.
    """

    retry_after_seconds = 5.0


def test_the_docstring_is_the_message() -> None:
    assert str(QuotaSpent()) == "Upstream takes no more calls for now."


def test_a_detail_follows_the_message() -> None:
    assert str(QuotaSpent("GET /v1")) == "Upstream takes no more calls for now: GET /v1"


def test_the_reason_is_the_name_in_lower_case() -> None:
    assert QuotaSpent.reason == "quota_spent"
    assert CacheUnreachable().reason == "cache_unreachable"


def test_an_instance_may_know_better_than_its_class() -> None:
    error = QuotaSpent(permanent=True, retry_after_seconds=9.0)

    assert (error.permanent, error.retry_after_seconds) == (True, 9.0)
    assert (QuotaSpent.permanent, QuotaSpent.retry_after_seconds) == (False, 5.0)


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_survives_the_way_to_another_process(again) -> None:  # type: ignore[no-untyped-def]
    error = again(QuotaSpent("GET /v1", retry_after_seconds=9.0))

    assert str(error).endswith("GET /v1")
    assert error.retry_after_seconds == 9.0
