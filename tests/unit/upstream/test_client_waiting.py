"""The client when it should not ask: Retry-After, breaker and budget."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from coordinator.upstream import UpstreamClient, breaker, cause, events
from coordinator.upstream.errors import (
    UpstreamBudgetSpent,
    UpstreamCircuitOpen,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.unit.upstream.conftest import finished
from tests.unit.upstream.misbehaving import (
    Upstream,
    answer,
    stall,
)

# Far above what is measured, far below what would go unnoticed.
PROMPT_SECONDS = 5.0


def test_a_retry_after_that_fits_is_waited_for(client: UpstreamClient, upstream: Upstream) -> None:
    upstream.answer_with(answer(429, headers={"Retry-After": "1"}), answer(200, b"1"))
    assert client.request("GET", "/").json() == 1
    first, second = upstream.arrivals
    assert second - first >= 1


def test_a_retry_after_may_be_a_date(client: UpstreamClient, upstream: Upstream) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    upstream.answer_with(answer(503, headers={"Retry-After": later}), answer(200, b"1"))
    assert client.request("GET", "/").json() == 1
    first, second = upstream.arrivals
    assert second - first >= 0.9


def test_a_retry_after_beyond_the_call_is_reported_at_once(
    client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.answer_with(answer(429, headers={"Retry-After": "30"}))
    began = time.monotonic()
    with pytest.raises(UpstreamRateLimited) as caught:
        client.request("GET", "/")
    assert time.monotonic() - began < PROMPT_SECONDS
    assert caught.value.retry_after_seconds == 30
    assert len(upstream.requests) == 1


def test_after_a_429_nobody_asks_until_the_time_has_come(
    client: UpstreamClient, upstream: Upstream, happened: list[events.UpstreamEvent]
) -> None:
    upstream.answer_with(answer(429, headers={"Retry-After": "30"}), answer())
    with pytest.raises(UpstreamRateLimited):
        client.request("GET", "/")
    with pytest.raises(UpstreamRateLimited) as caught:
        client.request("GET", "/another")
    assert 20 < (caught.value.retry_after_seconds or 0) <= 30
    assert len(upstream.requests) == 1
    assert [event.attempts for event in finished(happened)] == [1, 0]


def test_background_work_does_not_sleep_until_a_retry_after(
    client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.answer_with(answer(429, headers={"Retry-After": "8"}))
    began = time.monotonic()
    with cause("event"), pytest.raises(UpstreamRateLimited) as caught:
        client.request("GET", "/")
    assert time.monotonic() - began < 8
    assert caught.value.retry_after_seconds == 8


def test_an_open_breaker_fails_at_once_and_lets_one_call_try_later(
    client: UpstreamClient,
    upstream: Upstream,
    calls: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls.COORDINATOR_BREAKER_FAILURES = 3
    calls.COORDINATOR_BREAKER_RESET_SECONDS = 60
    upstream.answer_with(answer(500), answer(500), answer(500), answer(200, b"1"))
    with pytest.raises(UpstreamUnavailable):
        client.request("GET", "/")
    with pytest.raises(UpstreamCircuitOpen) as caught:
        client.request("GET", "/")
    assert 0 < (caught.value.retry_after_seconds or 0) <= 60
    assert len(upstream.requests) == 3
    later = breaker.of(upstream.host)
    monkeypatch.setattr(later, "_clock", lambda: time.monotonic() + 60)
    assert client.request("GET", "/").json() == 1


def test_a_breaker_that_opens_during_a_call_ends_its_attempts(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_BREAKER_FAILURES = 2
    upstream.answer_with(answer(500))
    # What upstream said is the news, not that we stopped asking.
    with pytest.raises(UpstreamUnavailable):
        client.request("GET", "/")
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("status", [400, 404, 429])
def test_refusals_do_not_open_the_breaker(
    client: UpstreamClient, upstream: Upstream, calls: Settings, status: int
) -> None:
    calls.COORDINATOR_BREAKER_FAILURES = 2
    upstream.answer_with(answer(status, headers={"Retry-After": "0"}))
    for _ in range(3):
        with pytest.raises(UpstreamError):
            client.request("GET", "/", timeout_seconds=0.6)
    assert breaker.of(client.host).state == "closed"


def test_a_timeout_that_our_own_deadline_cut_short_does_not_count(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_BREAKER_FAILURES = 1
    upstream.answer_with(stall)
    with pytest.raises(UpstreamTimeout):
        client.request("GET", "/", timeout_seconds=0.1)
    assert breaker.of(client.host).state == "closed"
    calls.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS = 0.1
    with pytest.raises(UpstreamTimeout):
        client.request("GET", "/", timeout_seconds=1)
    assert breaker.of(client.host).state == "open"


def test_every_attempt_takes_a_permit(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_UPSTREAM_BUDGET_RPS = 2
    calls.COORDINATOR_UPSTREAM_SHARES = {"event": 1}
    upstream.answer_with(answer(500))
    with cause("event"), pytest.raises(UpstreamUnavailable):
        client.request("GET", "/")
    assert len(upstream.requests) == 2


def test_a_spent_budget_reaches_neither_upstream_nor_the_breaker(
    client: UpstreamClient,
    upstream: Upstream,
    calls: Settings,
    happened: list[events.UpstreamEvent],
) -> None:
    calls.COORDINATOR_UPSTREAM_BUDGET_RPS = 1
    calls.COORDINATOR_BREAKER_FAILURES = 1
    with cause("beat"):
        client.request("GET", "/")
        with pytest.raises(UpstreamBudgetSpent):
            client.request("GET", "/")
    assert len(upstream.requests) == 1
    assert breaker.of(client.host).state == "closed"
    assert finished(happened)[-1] == events.RequestFinished(
        cause="beat",
        method="GET",
        host=client.host,
        status=None,
        seconds=finished(happened)[-1].seconds,
        attempts=0,
        error="upstream_budget_spent",
    )
