"""A cache that does not answer is not one that has lost what it held."""

import pytest

from coordinator.warmer import cache_loss as recovery

pytestmark = pytest.mark.usefixtures("no_cache")


def test_a_cache_that_does_not_answer_has_lost_nothing_yet() -> None:
    assert not recovery.noticed_loss()


def test_nobody_refills_what_does_not_answer() -> None:
    assert not recovery.may_refill()
