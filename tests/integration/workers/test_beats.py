"""The beats after a day without them, and after a cache that has lost everything."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry
from celery.signals import before_task_publish
from pytest_django import Settings

from coordinator.celery import schedule, tasks
from coordinator.core import cache
from coordinator.core.find import find_entries
from coordinator.core.resource import Resource
from coordinator.settings import caches
from tests.integration.cache_servers import becomes_true, server
from tests.servers import MemcachedServer, RedisServer
from tests.support.brokers import Messages, broker
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.upstream import Upstream
from workers.app import app
from workers.beating import BeatingInMemory

__all__ = ["server"]


@pytest.fixture
def messages(redis_server: RedisServer) -> Iterator[Messages]:
    """Let the broker be a real Redis, and return what waits in its queues."""
    waiting = Messages(redis_server.url)
    with broker(redis_server.url, global_keyprefix=waiting.prefix):
        yield waiting
    waiting.close()


@pytest.fixture
def published() -> Iterator[list[tuple[str, str]]]:
    """Return the list of the tasks that are published, each with when it expires."""
    sent: list[tuple[str, str]] = []

    def hear(sender: str = "", headers: Any = None, **_: object) -> None:
        sent.append((sender, headers["expires"]))

    before_task_publish.connect(hear)
    yield sent
    before_task_publish.disconnect(hear)


def test_a_beat_that_was_off_for_a_day_sends_each_task_once(
    messages: Messages, published: list[tuple[str, str]]
) -> None:
    beat = BeatingInMemory(app)
    yesterday = app.now() - timedelta(days=1, minutes=1)
    entries: dict[str, ScheduleEntry] = beat.schedule
    for entry in entries.values():
        entry.last_run_at = yesterday

    # A tick does one that is due, and says how long there is until the next one.
    while beat.tick() == 0:
        pass

    assert sorted(name for name, _ in published) == sorted(
        beat["task"] for beat in schedule.beat_schedule().values()
    )
    queues = ("settle", "warm", "default")
    assert sum(messages.waiting(queue) for queue in queues) == len(schedule.beat_schedule())


def test_what_a_beat_sends_is_worth_nothing_once_the_next_one_is_due(
    messages: Messages, published: list[tuple[str, str]]
) -> None:
    # So a day in which no worker ran leaves one round of each to do, and not a day's.
    beat = BeatingInMemory(app)
    now = app.now()
    periods = {entry["task"]: entry["schedule"] for entry in schedule.beat_schedule().values()}
    for entry in beat.schedule.values():
        beat.apply_async(entry)
    assert len(published) == len(periods)
    for name, expires in published:
        until_then = (datetime.fromisoformat(expires) - now).total_seconds()
        assert 0 < until_then <= periods[name] + 5


@pytest.mark.usefixtures("sqlite_ledger")
def test_a_restarted_memcached_is_noticed_and_refilled_and_loads_nothing_twice(
    server: MemcachedServer,
    settings: Settings,
    payments: Resource,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CACHES = caches.memcached([server.address], prefix="refill", timeout_seconds=600)

    def refill_here(kwargs: dict[str, str]) -> None:
        tasks.warm_refill.run(**kwargs)

    monkeypatch.setattr(tasks.warm_refill, "apply_async", refill_here)
    numbers = [f"EDX-{number}" for number in range(1, 6)]
    tasks.watch.run()
    for number in numbers:
        record("processing", at=1, number=number)
    settle()
    tasks.watch.run()
    assert len(upstream.calls) == 5, "nothing was lost, and nothing is loaded again"

    server.kill()
    tasks.watch.run()
    assert len(upstream.calls) == 5, "there is nothing yet that could be filled"
    server.restart()
    # A node that failed is left alone for a moment.
    becomes_true(cache.answers, within_seconds=20)
    tasks.watch.run()

    cache.clear_request_tier()
    standings = payments.standings(numbers)
    assert set(find_entries(payments, standings).entries) == set(numbers)
    assert sorted(upstream.calls) == sorted(numbers * 2)
    tasks.watch.run()
    assert len(upstream.calls) == 10, "one loss is noticed once"
