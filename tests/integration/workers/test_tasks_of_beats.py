"""What the beats' tasks do when upstream has no time for them."""

import logging
from datetime import datetime
from typing import NoReturn

import pytest

from coordinator.celery import tasks
from coordinator.errors import CoordinatorError
from coordinator.payments import providers
from coordinator.upstream.errors import (
    UpstreamBudgetSpent,
    UpstreamCircuitOpen,
    UpstreamRejected,
    UpstreamTimeout,
)
from coordinator.warmer.models import Watermark

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (UpstreamBudgetSpent(retry_after_seconds=1.5), logging.INFO),
        (UpstreamCircuitOpen(retry_after_seconds=15), logging.INFO),
        (UpstreamTimeout(), logging.WARNING),
        (UpstreamRejected(), logging.ERROR),
    ],
    ids=lambda value: getattr(value, "reason", ""),
)
def test_a_round_of_reconciling_that_upstream_refuses_is_postponed_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: CoordinatorError,
    level: int,
) -> None:
    class Refusing:
        def list_changed(self, since: datetime) -> NoReturn:
            raise error

    monkeypatch.setattr(providers, "current", Refusing)
    with caplog.at_level(logging.INFO):
        assert tasks.reconcile.apply().successful()
    [line] = [one for one in caplog.records if one.name == tasks.logger.name]
    assert not [one for one in caplog.records if one.exc_info]
    assert (line.message, line.levelno) == ("reconcile.postponed", level)
    assert line.reason == error.reason  # type: ignore[attr-defined]  # an extra
    assert not Watermark.objects.exists(), "the next round begins where the last one ended"
