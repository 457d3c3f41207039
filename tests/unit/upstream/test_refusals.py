"""Calls that are not let out are logged once a period, with their count."""

import logging
from typing import Any

import pytest
from pytest_django import Settings

from coordinator.causes import cause
from coordinator.upstream import UpstreamClient, refusals
from coordinator.upstream.errors import UpstreamBudgetSpent
from coordinator.upstream.process import PerProcess
from coordinator.upstream.refusals import PERIOD_SECONDS, Refusals
from tests.unit.upstream.conftest import Clock


@pytest.fixture(autouse=True)
def nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_refusals", PerProcess(Refusals))


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(one) for one in caplog.records if one.levelno >= logging.WARNING]


def test_the_first_of_a_kind_is_logged_at_once_and_the_rest_by_the_period(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    refused = Refusals(clock)
    for _ in range(4 * 128 + 1):
        refused.note("api:443", "event", "upstream_budget_spent")
        clock.pass_by(PERIOD_SECONDS / 128)
    assert [line["count"] for line in lines(caplog)] == [1, 128, 128, 128, 128]


def test_each_kind_is_logged_for_itself(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    refused = Refusals(clock)
    kinds = [("a:1", "event", "spent"), ("b:1", "event", "spent"), ("a:1", "read", "spent")]
    for kind in kinds * 3:
        refused.note(*kind)
    found = [(one["host"], one["cause"], one["error"], one["count"]) for one in lines(caplog)]
    assert found == [(*kind, 1) for kind in kinds]


def test_a_spent_budget_is_one_line_for_many_calls(
    client: UpstreamClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.COORDINATOR_UPSTREAM_BUDGET_RPS = 1
    with cause("event"):
        client.request("GET", "/")
        for _ in range(50):
            with pytest.raises(UpstreamBudgetSpent):
                client.request("GET", "/")
    [line] = lines(caplog)
    assert (line["message"], line["cause"]) == ("upstream.calls_refused", "event")
