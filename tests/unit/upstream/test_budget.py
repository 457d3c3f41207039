import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from pytest_django import Settings

from coordinator.upstream import budget, conf, events
from coordinator.upstream.budget import Budget
from coordinator.upstream.deadlines import Deadline
from coordinator.upstream.errors import UpstreamBudgetSpent, UpstreamRateLimited

HOST = "api.example:443"


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Settings:
    """Let ten out a second and five at a time, counted in this process."""
    settings.COORDINATOR_BUDGET_URL = "memory://"
    settings.COORDINATOR_UPSTREAM_BUDGET_RPS = 10
    settings.COORDINATOR_UPSTREAM_BUDGET_CONCURRENT = 0
    settings.COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS = 5
    settings.COORDINATOR_UPSTREAM_BUDGET_WAITING = 100
    return settings


def spend(times: int, cause: str = "read") -> None:
    for _ in range(times):
        with budget.of(HOST).permit(cause, Deadline(60)):
            pass


@contextmanager
def holding(times: int, cause: str = "read") -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(times):
            stack.enter_context(budget.of(HOST).permit(cause, Deadline(60)))
        yield


def test_background_work_is_told_to_come_back_rather_than_holding_a_thread() -> None:
    spend(8, "event")
    # Whoever waited would get the next one.
    with pytest.raises(UpstreamBudgetSpent) as caught:
        spend(1, "event")
    assert 0 < (caught.value.retry_after_seconds or 0) <= 2
    assert not caught.value.burns_attempt


def test_a_user_waits_for_the_next_permit() -> None:
    spend(10)
    began = time.monotonic()
    spend(1)
    assert time.monotonic() - began >= 0.5


def test_only_so_many_threads_wait_and_the_next_one_is_refused_at_once(limits: Settings) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_WAITING = 2
    limits.COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS = 60
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    limits.COORDINATOR_UPSTREAM_BUDGET_CONCURRENT = 1
    shared = budget.of(HOST)
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        held = stack.enter_context(ExitStack())
        held.enter_context(shared.permit("read", Deadline(60)))
        waiting = [pool.submit(spend, 1) for _ in range(2)]
        while shared._waiting < 2:
            pass
        for _ in range(3):
            with pytest.raises(UpstreamBudgetSpent) as caught:
                spend(1)
            assert caught.value.retry_after_seconds is not None
        assert shared._waiting == 2, "those who wait go on waiting"
        held.close()
        for one in waiting:
            one.result()
    assert shared._waiting == 0


def test_a_user_does_not_wait_longer_than_briefly(limits: Settings) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_WAIT_SECONDS = 0.2
    with holding(10):
        began = time.monotonic()
        with pytest.raises(UpstreamBudgetSpent):
            spend(1)
        # Whoever waited for much longer would get the next one.
        assert time.monotonic() - began >= 0.2


def test_nobody_waits_beyond_the_end_of_the_call() -> None:
    with (
        holding(10),
        pytest.raises(UpstreamBudgetSpent),
        budget.of(HOST).permit("read", Deadline(0.2)),
    ):
        pytest.fail("there was room")


@pytest.mark.parametrize(
    ("busy_with", "how_many", "next_in_line"),
    [("backfill", 4, "beat"), ("beat", 6, "event"), ("event", 8, "read")],
)
def test_those_who_give_way_leave_room_for_those_before_them(
    busy_with: str, how_many: int, next_in_line: str
) -> None:
    with holding(how_many, busy_with):
        with pytest.raises(UpstreamBudgetSpent):
            spend(1, busy_with)
        spend(1, next_in_line)


def test_a_permit_comes_back_also_from_a_call_that_failed(limits: Settings) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    limits.COORDINATOR_UPSTREAM_BUDGET_CONCURRENT = 1
    for _ in range(3):
        with pytest.raises(KeyError), budget.of(HOST).permit("event", Deadline(60)):
            raise KeyError


def test_who_waits_for_one_of_few_places_is_woken_when_it_is_free(
    limits: Settings,
) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    limits.COORDINATOR_UPSTREAM_BUDGET_CONCURRENT = 2
    at_a_time, most, lock = 0, 0, threading.Lock()
    # Each waits inside for one more, so both places are taken; a third would be counted.
    both = threading.Barrier(2, timeout=20)

    def work(_: int) -> None:
        nonlocal at_a_time, most
        with budget.of(HOST).permit("read", Deadline(60)):
            with lock:
                at_a_time += 1
                most = max(most, at_a_time)
            both.wait()
            with lock:
                at_a_time -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == 2


def test_a_pause_is_short_enough_to_wait_for_or_is_told_at_once(
    happened: list[events.UpstreamEvent],
) -> None:
    budget.of(HOST).pause(0.3)
    began = time.monotonic()
    spend(1, "read")
    assert time.monotonic() - began >= 0.3
    budget.of(HOST).pause(60)
    for cause in ("read", "event"):
        with pytest.raises(UpstreamRateLimited) as caught:
            spend(1, cause)
        assert 50 < (caught.value.retry_after_seconds or 0) <= 60
    assert events.UpstreamPaused(HOST, 60) in happened


def test_a_pause_holds_without_any_budget(limits: Settings) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    spend(100)
    budget.of(HOST).pause(60)
    with pytest.raises(UpstreamRateLimited):
        spend(1)


def test_waiting_is_told_with_how_it_ended(
    happened: list[events.UpstreamEvent], limits: Settings
) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 1
    spend(2)
    with pytest.raises(UpstreamBudgetSpent):
        spend(1, "event")
    waits = [event for event in happened if isinstance(event, events.BudgetWaited)]
    assert [(wait.cause, wait.granted) for wait in waits] == [("read", True), ("event", False)]
    assert waits[0].seconds > 0.5


def test_what_is_left_can_be_asked(limits: Settings) -> None:
    assert budget.of(HOST).remaining() == 10
    spend(3)
    assert budget.of(HOST).remaining() == 7
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    assert budget.of(HOST).remaining() is None


def test_each_upstream_has_its_own() -> None:
    assert budget.of("a:1") is budget.of("a:1")
    assert budget.of("a:1") is not budget.of("b:1")


# -- when the store can't be reached: nobody listens on port 1 --------------------------------


@pytest.fixture
def cut_off(limits: Settings, happened: list[events.UpstreamEvent]) -> Budget:
    """Return a budget whose store refuses connections."""
    limits.COORDINATOR_BUDGET_URL = "redis://127.0.0.1:1/0"
    limits.COORDINATOR_BUDGET_PROCESSES = 5
    return budget.of(HOST)


def test_without_its_store_a_process_is_silent_first_and_keeps_to_its_share_then(
    cut_off: Budget, happened: list[events.UpstreamEvent]
) -> None:
    with pytest.raises(UpstreamBudgetSpent):
        spend(1, "event")
    began = time.monotonic()
    spend(2)
    assert time.monotonic() - began > 0.5
    with pytest.raises(UpstreamBudgetSpent):
        spend(1, "event")
    changes = [event for event in happened if isinstance(event, events.BudgetModeChanged)]
    assert changes == [events.BudgetModeChanged(HOST, shared=False)]
    assert cut_off.remaining() == 0


def test_without_its_store_a_process_still_obeys_a_pause(cut_off: Budget) -> None:
    cut_off.pause(60)
    with pytest.raises(UpstreamRateLimited):
        spend(1)


def test_without_its_store_and_without_a_limit_nothing_is_held_back(
    cut_off: Budget, limits: Settings, happened: list[events.UpstreamEvent]
) -> None:
    limits.COORDINATOR_UPSTREAM_BUDGET_RPS = 0
    spend(50)
    assert [event for event in happened if isinstance(event, events.BudgetWaited)] == []


def test_settings_are_read_when_they_are_needed(limits: Settings) -> None:
    assert conf.budget().per_second == 10
    limits.COORDINATOR_UPSTREAM_SHARES = {"event": 0.1}
    with holding(1, "event"), pytest.raises(UpstreamBudgetSpent):
        spend(1, "event")
