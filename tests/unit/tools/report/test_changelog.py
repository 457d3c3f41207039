from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from coordinator.ledger.models import Change, ChangeOutcome
from tools.report.changelog import ChangeLog

pytestmark = pytest.mark.django_db


def change(number: int, **columns: object) -> Change:
    return Change.objects.create(
        resource="payment",
        identifier=f"EDX-{number}",
        revision=1,
        state="succeeded",
        event_id=f"evt_{number}",
        event_type="payment_intent.succeeded",
        **columns,
    )


def test_changes_are_counted_by_how_they_ended() -> None:
    log = ChangeLog()
    now = timezone.now()
    endings = [
        ChangeOutcome.WARMED,
        ChangeOutcome.WARMED,
        ChangeOutcome.SUPERSEDED,
        ChangeOutcome.ABANDONED,
    ]
    for number, outcome in enumerate(endings):
        change(number, outcome=outcome, ended_at=now, confirmed_at=now)
    change(10, outcome=ChangeOutcome.OUT_OF_DATE, applied=False, ended_at=now, confirmed_at=now)
    change(11)
    counts = log.counts()
    assert (counts.changes, counts.warmed, counts.superseded) == (6, 2, 1)
    assert (counts.abandoned, counts.out_of_date) == (1, 1)
    assert counts.backlog.unsettled == 1


def test_what_was_there_before_is_not_counted() -> None:
    change(1, recorded_at=timezone.now() - timedelta(hours=1))
    log = ChangeLog()
    assert log.counts().changes == 0
    assert not list(log.new_commits())


def test_each_commit_is_told_once() -> None:
    log = ChangeLog()
    change(1)
    assert [commit.identifier for commit in log.new_commits()] == ["EDX-1"]
    change(2)
    assert [commit.identifier for commit in log.new_commits()] == ["EDX-2"]
    assert not list(log.new_commits())


def test_a_transaction_that_began_first_and_committed_last_is_not_missed() -> None:
    log = ChangeLog()
    began = timezone.now()
    change(2)
    assert len(list(log.new_commits())) == 1
    change(1, recorded_at=began)
    assert [commit.identifier for commit in log.new_commits()] == ["EDX-1"]


def test_a_late_event_that_changed_nothing_is_no_commit_to_wait_for() -> None:
    log = ChangeLog()
    change(1, applied=False)
    assert not list(log.new_commits())
