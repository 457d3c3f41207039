"""What no event covers is kept warm: what is open, what is due, what a cache has lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from coordinator.celery import receivers, tasks
from coordinator.core import cache, events
from coordinator.core.entry import CacheEntry
from coordinator.core.find import find_entries
from coordinator.core.read import read
from coordinator.core.resource import Resource
from coordinator.payments.models import Payment
from coordinator.warmer import cache_loss as recovery
from coordinator.warmer import keep_warm as keeping
from tests.support.clocks import ManualClock
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("sqlite_ledger", "each_cache")


def entry_of(of: Resource, number: str = "EDX-1") -> CacheEntry | None:
    """Return the entry that the shared cache has now."""
    cache.clear_request_tier()
    return find_entries(of, of.standings([number])).entries.get(number)


def at_rest(number: str) -> None:
    """Let a payment have changed longer ago than an entry lives."""
    Payment.objects.filter(number=number).update(changed_at=timezone.now() - timedelta(hours=2))


# -- open payments -----------------------------------------------------------------------------


def test_open_and_fresh_payments_are_warmed_and_those_at_rest_are_not(
    payments: Resource, upstream: Upstream
) -> None:
    record("processing", at=1, number="EDX-1")
    record("canceled", at=1, number="EDX-2")
    record("canceled", at=1, number="EDX-3")
    at_rest("EDX-1")
    at_rest("EDX-3")
    done = keeping.keep_open_warm("payment", "", 10)
    assert (done.looked_at, done.outcomes) == (2, {"warmed": 2})
    assert sorted(upstream.calls) == ["EDX-1", "EDX-2"]
    assert keeping.keep_open_warm("payment", "", 10).outcomes == {"already": 2}


def test_an_entry_that_would_expire_before_the_round_after_next_is_loaded_again(
    payments: Resource, upstream: Upstream, manual_clock: ManualClock, settings: Settings
) -> None:
    settings.COORDINATOR_ENTRY_TIMEOUT_SECONDS = 1800
    settings.COORDINATOR_ENTRY_JITTER = 0
    settings.COORDINATOR_WARM_OPEN_EVERY_SECONDS = 60
    record("processing", at=1)
    settle()
    manual_clock.moved = 1800 - 121
    assert keeping.keep_open_warm("payment", "", 10).outcomes == {"already": 1}
    manual_clock.moved = 1800 - 119
    assert keeping.keep_open_warm("payment", "", 10).outcomes == {"warmed": 1}
    entry = entry_of(payments)
    assert entry is not None
    assert entry.expires_at > manual_clock.now() + 1700


def test_a_round_without_time_says_where_to_go_on_and_misses_nobody(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_CHUNK", 2)
    for number in range(5):
        record("processing", at=1, number=f"EDX-{number}")
    rounds = [keeping.keep_open_warm("payment", "", 0)]
    while rounds[-1].goes_on_after:
        rounds.append(keeping.keep_open_warm("payment", rounds[-1].goes_on_after, 0))
    assert [one.looked_at for one in rounds] == [2, 2, 1, 0]
    assert all(entry_of(payments, f"EDX-{number}") for number in range(5))


def test_two_beats_by_mistake_make_one_round(payments: Resource, upstream: Upstream) -> None:
    record("processing", at=1)
    tasks.warm_open()
    cache.forget(payments.entry_key("EDX-1", "processing").cache_key)
    tasks.warm_open()
    assert upstream.calls == ["EDX-1"]


# -- a cache that lost its memory ----------------------------------------------------------------


def test_a_loss_is_noticed_once() -> None:
    assert recovery.noticed_loss()
    assert not recovery.noticed_loss()
    cache.forget("canary.7")
    assert recovery.noticed_loss()
    assert not recovery.noticed_loss()


def test_one_worker_refills_at_a_time() -> None:
    assert recovery.may_refill()
    assert not recovery.may_refill()


def test_refilling_begins_with_the_newest_change_and_misses_nobody(
    payments: Resource, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_CHUNK", 2)
    now = timezone.now()
    for number in range(5):
        record("processing", at=1, number=f"EDX-{number}")
        # Two of them at the same moment, across the end of a chunk.
        changed = now - timedelta(seconds=10 * min(number, 3))
        Payment.objects.filter(number=f"EDX-{number}").update(changed_at=changed)
    first = keeping.refill("payment", "", 0)
    assert sorted(upstream.calls) == ["EDX-0", "EDX-1"]
    rounds = [first]
    while rounds[-1].goes_on_after:
        rounds.append(keeping.refill("payment", rounds[-1].goes_on_after, 0))
    assert sorted(upstream.calls) == [f"EDX-{number}" for number in range(5)]


def test_refilling_leaves_what_is_newer_alone(payments: Resource, upstream: Upstream) -> None:
    record("processing", at=1)
    settle()
    before = entry_of(payments)
    assert keeping.refill("payment", "", 10).outcomes == {"already": 1}
    assert entry_of(payments) == before
    assert upstream.calls == ["EDX-1"]


# -- refresh ahead -------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect the refreshing tasks that are sent, in place of a broker."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        tasks.warm_due, "apply_async", lambda **options: messages.append(options["kwargs"])
    )
    return messages


def test_a_due_entry_is_refreshed_by_one_task_while_readers_keep_the_present_one(
    payments: Resource,
    upstream: Upstream,
    manual_clock: ManualClock,
    sent: list[dict[str, Any]],
) -> None:
    record("processing", at=1)
    settle()
    present = entry_of(payments)
    assert present is not None
    read(payments, "EDX-1")
    assert sent == []
    # The pointer has run out by then; the entry has not.
    manual_clock.moved = present.refresh_after - manual_clock.now() + 1
    for _ in range(3):
        cache.clear_request_tier()
        assert read(payments, "EDX-1").entry == present
    assert len(sent) == 1
    tasks.warm_due(**sent[0])
    refreshed = entry_of(payments)
    assert refreshed is not None
    assert refreshed.loaded_at > present.loaded_at
    assert upstream.calls == ["EDX-1", "EDX-1"]
    # The same message once more finds it done.
    tasks.warm_due(**sent[0])
    assert upstream.calls == ["EDX-1", "EDX-1"]


def test_a_broker_that_is_down_is_not_felt_by_the_reader(
    payments: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_options: object) -> None:
        raise OSError

    monkeypatch.setattr(tasks.warm_due, "apply_async", refuse)
    receivers.refresh_when_due(events.EntryDue("payment", "EDX-1", "processing", 1.0))
