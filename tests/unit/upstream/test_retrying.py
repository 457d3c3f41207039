from datetime import UTC, datetime

import pytest

from coordinator.upstream import retrying
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamBudgetSpent,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("Tue, 01 Jan 2030 12:00:30 GMT", 30),
        ("Tuesday, 01-Jan-30 12:00:30 GMT", 30),
        ("Tue Jan  1 12:00:30 2030", 30),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0),
        ("Tue, 01 Jan 2030 13:00:30 +0100", 30),
        ("999999", 3600),
        ("9" * 400, 3600),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float) -> None:
    assert retrying.retry_after_seconds({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "1.5", "Tue, 99 Jan 2030 12:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_says_nothing(text: str) -> None:
    assert retrying.retry_after_seconds({"Retry-After": text}, NOW) is None


def test_without_a_header_nothing_is_asked_for() -> None:
    assert retrying.retry_after_seconds({}, NOW) is None


@pytest.mark.parametrize("method", ["GET", "get", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_idempotent_methods_may_be_repeated(method: str) -> None:
    assert retrying.repeatable(method, {})


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT"])
def test_other_methods_need_an_idempotency_key(method: str) -> None:
    assert not retrying.repeatable(method, {"Content-Type": "application/json"})
    assert retrying.repeatable(method, {"idempotency-KEY": "abc"})


@pytest.mark.parametrize(
    ("error", "worth_it"),
    [
        (UpstreamTimeout(), True),
        (UpstreamUnavailable(), True),
        (UpstreamRateLimited(), True),
        (UpstreamNotFound(), False),
        (UpstreamBadAnswer(), False),
        (UpstreamBudgetSpent(), False),
    ],
)
def test_only_passing_trouble_is_worth_another_attempt(
    error: UpstreamError, worth_it: bool
) -> None:
    assert retrying.worth_another(error) is worth_it


def test_each_delay_is_longer_than_the_one_before_up_to_a_bound() -> None:
    for attempts, longest in [(1, 0.1), (2, 0.2), (3, 0.4), (20, 2.0)]:
        delays = [retrying.delay_seconds(UpstreamTimeout(), attempts) for _ in range(100)]
        assert longest / 2 <= min(delays) < max(delays) <= longest


def test_what_upstream_asked_for_is_waited_and_a_little_more() -> None:
    error = UpstreamRateLimited(retry_after_seconds=3)
    delays = [retrying.delay_seconds(error, 1) for _ in range(100)]
    assert 3 <= min(delays) < max(delays) <= 3.25
