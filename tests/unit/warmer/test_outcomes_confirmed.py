"""When a change counts as confirmed, whose pointer could not be seen."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Standing
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queue import Ending
from coordinator.warmer import outcomes

_SUSPENSION, _POINTER, _MARGIN = 60, 30, 5


@pytest.fixture(autouse=True)
def timeouts(settings: Settings) -> None:
    settings.COORDINATOR_SUSPENSION_TIMEOUT_SECONDS = _SUSPENSION
    settings.COORDINATOR_POINTER_TIMEOUT_SECONDS = _POINTER


def ended(confirmation: Confirmation, *, age_seconds: float = 0, suspended: bool = False) -> Ending:
    """Return how a change ends that was warmed before, and is looked at for its pointer's sake."""
    change = Change(
        resource="thing",
        identifier="T-1",
        revision=4,
        state="paid",
        outcome=ChangeOutcome.WARMED,
        suspended=suspended,
        recorded_at=timezone.now() - timedelta(seconds=age_seconds),
    )
    standing = Standing("paid", 4, "42", "up_1")
    return outcomes.ending(change, {"T-1": standing}, None, {"T-1": confirmation})


@pytest.mark.parametrize("confirmation", [Confirmation.ADVANCED, Confirmation.NEWER])
def test_a_pointer_that_says_so_confirms_at_once(confirmation: Confirmation) -> None:
    assert ended(confirmation).confirmed


@pytest.mark.parametrize("confirmation", [Confirmation.UNREACHABLE, Confirmation.CONTENDED])
def test_an_unseen_pointer_is_waited_for(confirmation: Confirmation) -> None:
    one = ended(confirmation, suspended=True)
    assert (one.confirmed, one.outcome) == (False, ChangeOutcome.WARMED)
    assert one.again_in_seconds > 0


@pytest.mark.parametrize("suspended", [True, False])
def test_no_pointer_is_enough_where_the_suspension_was_acknowledged(*, suspended: bool) -> None:
    assert ended(Confirmation.NOTHING_THERE, suspended=suspended).confirmed is suspended


# A transaction may commit until its suspension would have ended, and a reader may have filled the
# pointer of the old state at the last moment before that: the pointer's whole life comes on top.
@pytest.mark.parametrize(
    ("age_seconds", "confirmed"),
    [
        (_POINTER + _MARGIN, False),
        (_SUSPENSION + _MARGIN, False),
        (_SUSPENSION + _POINTER - _MARGIN, False),
        (_SUSPENSION + _POINTER + _MARGIN, True),
    ],
)
@pytest.mark.parametrize(
    "confirmation",
    [Confirmation.UNREACHABLE, Confirmation.CONTENDED, Confirmation.NOTHING_THERE],
)
def test_age_confirms_once_suspension_and_pointer_have_both_run_out(
    confirmation: Confirmation, age_seconds: float, *, confirmed: bool
) -> None:
    assert ended(confirmation, age_seconds=age_seconds).confirmed is confirmed
