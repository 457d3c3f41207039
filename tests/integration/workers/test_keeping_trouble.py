"""Rounds that meet trouble, or one another, and a cache that is not there."""

import pytest

from coordinator.celery import tasks
from coordinator.celery.receivers import refresh_when_due
from coordinator.core import events
from coordinator.errors import CoordinatorError
from coordinator.warmer import keep_warm as keeping
from tests.support.payments import record
from tests.support.threads import at_once
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


class UpstreamDown(CoordinatorError):
    """It does not answer."""


def keep() -> dict[str, int]:
    """Keep what is open warm; return how those that were looked at ended."""
    return keeping.keep_open_warm("payment", "", 60).outcomes


def test_a_failure_is_no_others_and_is_tried_again_in_the_next_round(upstream: Upstream) -> None:
    for number in (1, 2, 3):
        record("processing", at=1, number=f"EDX-{number}")
    upstream.fails_once("EDX-2", UpstreamDown())
    assert keep() == {"warmed": 2, "failed": 1}
    assert keep() == {"already": 2, "warmed": 1}


def test_two_rounds_at_once_load_everything_once(upstream: Upstream, each_cache: str) -> None:
    names = [f"EDX-{number}" for number in range(10)]
    for name in names:
        record("processing", at=1, number=name)
    rounds = at_once([keep, keep])
    assert not [one for one in rounds if isinstance(one, BaseException)]
    assert sorted(upstream.calls) == sorted(names)


def test_without_a_cache_nothing_is_loaded(upstream: Upstream, no_cache: None) -> None:
    record("processing", at=1)
    assert keep() == {"cache_unreachable": 1}
    assert upstream.calls == []


def test_without_a_cache_no_refreshing_task_is_sent(
    no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(tasks.warm_due, "apply_async", sent.append)
    refresh_when_due(events.EntryDue("payment", "EDX-1", "processing", 1.0))
    assert sent == []
