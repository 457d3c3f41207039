"""The log is pruned by age, settled changes only, and a pruned event does no harm."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.recording import Recording
from coordinator.ledger.retention import prune
from coordinator.payments.models import Payment
from tests.support.payments import record

pytestmark = pytest.mark.usefixtures("each_ledger")


def old(days: float = 100, **columns: Any) -> None:
    """Make every change so old, with these columns."""
    Change.objects.update(recorded_at=timezone.now() - timedelta(days=days), **columns)


def settled() -> dict[str, Any]:
    """Return the columns of a settled change."""
    now = timezone.now()
    return {"outcome": ChangeOutcome.WARMED, "ended_at": now, "confirmed_at": now}


def test_only_what_is_old_and_settled_goes() -> None:
    record("processing", at=1)
    old(**settled())
    record("canceled", at=2)
    assert prune(90) == 1
    assert Change.objects.get().state == "canceled"


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"outcome": ChangeOutcome.WARMED},
        {"outcome": ChangeOutcome.ABANDONED, "confirmed_at": timezone.now()},
    ],
    ids=["unsettled", "unconfirmed", "abandoned"],
)
def test_work_and_evidence_stay_however_old(columns: dict[str, Any]) -> None:
    record("processing", at=1)
    old(**columns)
    assert prune(90) == 0
    assert Change.objects.count() == 1


def test_more_than_a_batch_is_deleted_in_batches() -> None:
    for number in range(5):
        record("processing", at=1, number=f"EDX-{number}")
    old(**settled())
    assert prune(90, batch=2) == 5


def test_an_event_whose_row_was_pruned_does_not_come_back_as_news() -> None:
    record("processing", at=1, event_id="evt_old")
    record("canceled", at=2)
    old(**settled())
    prune(90)
    assert record("processing", at=1, event_id="evt_old").outcome is Recording.OUT_OF_DATE
    assert Payment.objects.get().state == "canceled"


def test_the_command_says_how_many_went(capsys: pytest.CaptureFixture[str]) -> None:
    record("processing", at=1)
    old(days=10, **settled())
    call_command("coordinator_prune")
    assert "0 settled changes older than 90 days" in capsys.readouterr().out
    call_command("coordinator_prune", "--days", "7")
    assert "1 settled changes" in capsys.readouterr().out
    with pytest.raises(CommandError, match="more than 0"):
        call_command("coordinator_prune", "--days", "0")
