"""The client against real servers on loopback that do everything wrong in turn."""

import gzip
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from coordinator import correlation
from coordinator.upstream import UpstreamClient, breaker, cause, events
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamBudgetSpent,
    UpstreamCircuitOpen,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from tests.unit.upstream.misbehaving import (
    Behaviour,
    Upstream,
    answer,
    drip,
    endless,
    hang_up,
    raw,
    running,
    stall,
)

# Far above what is measured, far below what would go unnoticed.
PROMPT_SECONDS = 5.0


@pytest.fixture(autouse=True)
def calls(settings: Settings) -> Settings:
    """Bound each call generously; tests of a bound set their own."""
    settings.COORDINATOR_UPSTREAM_TIMEOUT_SECONDS = 20
    settings.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS = 20
    settings.COORDINATOR_UPSTREAM_RETRIES = 2
    settings.COORDINATOR_BREAKER_FAILURES = 100
    return settings


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield an upstream that answers properly unless it is told otherwise."""
    with running() as server:
        yield server


@pytest.fixture
def client(upstream: Upstream) -> Iterator[UpstreamClient]:
    """Yield a client for `upstream`."""
    client = UpstreamClient(upstream.url)
    yield client
    client.close()


def finished(happened: list[events.Event]) -> list[events.RequestFinished]:
    return [event for event in happened if isinstance(event, events.RequestFinished)]


# -- an ordinary call --------------------------------------------------------------------------


def test_an_answer_comes_back_whole(client: UpstreamClient, upstream: Upstream) -> None:
    upstream.answer_with(answer(200, b'{"id": "pi_1"}', {"Request-Id": "req_1"}))
    got = client.request("GET", "/v1/payments", query={"a": "b c"}, headers={"X-Y": "z"})
    assert got.status == 200
    assert got.json() == {"id": "pi_1"}
    assert got.headers["request-id"] == "req_1"
    [request] = upstream.requests
    assert request.target == "/v1/payments?a=b+c"
    assert request.headers["x-y"] == "z"


def test_a_prefix_in_the_base_url_goes_before_every_path(upstream: Upstream) -> None:
    client = UpstreamClient(upstream.url + "/api/v2/")
    client.request("GET", "/things/1")
    client.close()
    assert upstream.requests[0].target == "/api/v2/things/1"


def test_a_connection_is_used_again(client: UpstreamClient, upstream: Upstream) -> None:
    for _ in range(20):
        client.request("GET", "/")
    assert upstream.connections == 1


def test_many_threads_share_the_pool(client: UpstreamClient, upstream: Upstream) -> None:
    upstream.answer_with(answer(after_seconds=0.01))
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda i: client.request("GET", f"/{i}").status, range(160)))
    assert got == [200] * 160
    assert upstream.connections <= 16


def test_more_threads_than_connections_take_turns(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_UPSTREAM_POOL = 2
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: client.request("GET", f"/{i}").status, range(40)))
    assert got == [200] * 40
    assert upstream.connections <= 2


def test_who_gets_no_connection_in_time_is_told_that_it_was_us(
    client: UpstreamClient, upstream: Upstream, calls: Settings, happened: list[events.Event]
) -> None:
    calls.COORDINATOR_UPSTREAM_POOL = 1
    upstream.answer_with(stall)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(client.request, "GET", "/slow")
        while not upstream.requests:
            time.sleep(0.01)
        with pytest.raises(UpstreamBudgetSpent):
            client.request("GET", "/", timeout_seconds=0.2)
        upstream.closing.set()
        with pytest.raises(UpstreamError):
            busy.result()
    assert finished(happened)[0].attempts == 0


def test_the_correlation_id_goes_along(client: UpstreamClient, upstream: Upstream) -> None:
    with correlation.bind("abc-1"):
        client.request("GET", "/")
    client.request("GET", "/")
    assert upstream.requests[0].headers["x-correlation-id"] == "abc-1"
    assert "x-correlation-id" not in upstream.requests[1].headers


def test_a_compressed_answer_is_unpacked(client: UpstreamClient, upstream: Upstream) -> None:
    packed = gzip.compress(b'{"id": "pi_1"}')
    upstream.answer_with(answer(200, packed, {"Content-Encoding": "gzip"}))
    assert client.request("GET", "/").json() == {"id": "pi_1"}


@pytest.mark.parametrize(
    "url", ["ftp://a", "//a", "http://", "https://user:secret@a", "not a url", ""]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        UpstreamClient(url)


# -- what upstream refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "permanent"),
    [
        (400, UpstreamRejected, True),
        (401, UpstreamUnauthorized, False),
        (403, UpstreamUnauthorized, False),
        (404, UpstreamNotFound, True),
        (410, UpstreamNotFound, True),
        (422, UpstreamRejected, True),
        (302, UpstreamBadAnswer, True),
    ],
)
def test_a_refusal_is_asked_for_once(
    client: UpstreamClient,
    upstream: Upstream,
    status: int,
    error: type[UpstreamError],
    permanent: bool,
) -> None:
    upstream.answer_with(answer(status, b"secret", {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(error) as caught:
        client.request("GET", "/")
    assert type(caught.value) is error
    assert caught.value.permanent is permanent
    assert "secret" not in str(caught.value)
    assert len(upstream.requests) == 1


def test_send_returns_a_refusal_with_its_body(client: UpstreamClient, upstream: Upstream) -> None:
    upstream.answer_with(answer(404, b"no such thing"))
    got = client.send("GET", "/")
    assert (got.status, got.body) == (404, b"no such thing")


def test_what_is_not_json_is_a_bad_answer(client: UpstreamClient, upstream: Upstream) -> None:
    upstream.answer_with(answer(200, b'{"card": "4242'), answer(200, b'"\xff"'))
    for _ in range(2):
        with pytest.raises(UpstreamBadAnswer) as caught:
            client.request("GET", "/").json()
        assert "4242" not in repr(caught.value)
        assert caught.value.__cause__ is None


# -- trouble that passes -----------------------------------------------------------------------

TROUBLES = [
    pytest.param(answer(500), UpstreamUnavailable, id="500"),
    pytest.param(answer(503), UpstreamUnavailable, id="503"),
    pytest.param(answer(408), UpstreamTimeout, id="408"),
    pytest.param(hang_up, UpstreamUnavailable, id="hangs up"),
    pytest.param(
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
        UpstreamUnavailable,
        id="truncated",
    ),
    pytest.param(
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        UpstreamUnavailable,
        id="truncated chunk",
    ),
    pytest.param(raw(b"HTTP/1.1 200"), UpstreamUnavailable, id="truncated status"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nX: y\r\n"), UpstreamUnavailable, id="truncated head"),
    pytest.param(raw(b"SSH-2.0-OpenSSH\r\n"), UpstreamUnavailable, id="not HTTP"),
    pytest.param(
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
        UpstreamUnavailable,
        id="endless head",
    ),
]


@pytest.mark.parametrize(("trouble", "error"), TROUBLES)
def test_passing_trouble_is_tried_again(
    client: UpstreamClient,
    upstream: Upstream,
    happened: list[events.Event],
    trouble: Behaviour,
    error: type[UpstreamError],
) -> None:
    upstream.answer_with(trouble, trouble, answer(200, b"1"))
    assert client.request("GET", "/").json() == 1
    assert len(upstream.requests) == 3
    [event] = finished(happened)
    assert (event.attempts, event.status, event.error) == (3, 200, "")


@pytest.mark.parametrize(("trouble", "error"), TROUBLES)
def test_lasting_trouble_is_reported_after_the_last_attempt(
    client: UpstreamClient,
    upstream: Upstream,
    happened: list[events.Event],
    trouble: Behaviour,
    error: type[UpstreamError],
) -> None:
    upstream.answer_with(trouble)
    with pytest.raises(error) as caught:
        client.request("GET", "/")
    assert type(caught.value) is error
    assert not caught.value.permanent
    assert len(upstream.requests) == 3
    assert finished(happened)[0].error == error.reason


def test_nobody_listening_is_unavailable_not_a_timeout(calls: Settings) -> None:
    with running() as server:
        gone = server.url
    client = UpstreamClient(gone)
    with pytest.raises(UpstreamUnavailable):
        client.request("GET", "/")


def test_a_name_that_does_not_resolve_is_unavailable(calls: Settings) -> None:
    calls.COORDINATOR_UPSTREAM_RETRIES = 0
    # RFC 6761: nobody has a name under it, and resolvers know that without asking.
    with pytest.raises(UpstreamUnavailable):
        UpstreamClient("http://nowhere.invalid").request("GET", "/")


def test_what_may_not_be_sent_twice_is_sent_once(
    client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.answer_with(answer(503))
    with pytest.raises(UpstreamUnavailable):
        client.request("POST", "/", body=b"a=1")
    assert len(upstream.requests) == 1


def test_an_idempotency_key_lets_a_post_be_sent_again_as_it_was(
    client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.answer_with(hang_up, answer())
    client.request("POST", "/", body=b"a=1", headers={"Idempotency-Key": "k1"})
    assert [request.body for request in upstream.requests] == [b"a=1", b"a=1"]
    assert {request.headers["idempotency-key"] for request in upstream.requests} == {"k1"}


def test_a_connection_that_was_closed_meanwhile_costs_nothing(
    client: UpstreamClient, upstream: Upstream
) -> None:
    bye = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    upstream.answer_with(bye)
    for _ in range(5):
        assert client.request("GET", "/").status == 200


# -- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(stall, id="says nothing"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX: "), id="drips its head"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), id="drips its body"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"),
            id="drips a chunk",
        ),
    ],
)
def test_no_server_keeps_a_call_longer_than_its_time(
    client: UpstreamClient, upstream: Upstream, slow: Behaviour
) -> None:
    upstream.answer_with(slow)
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        client.request("GET", "/", timeout_seconds=0.4)
    assert 0.4 <= time.monotonic() - began < PROMPT_SECONDS


def test_the_time_is_that_of_all_attempts_together(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS = 0.3
    calls.COORDINATOR_UPSTREAM_RETRIES = 100
    upstream.answer_with(stall)
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        client.request("GET", "/", timeout_seconds=1)
    assert time.monotonic() - began < PROMPT_SECONDS
    assert 2 <= len(upstream.requests) <= 4


def test_a_silent_server_is_asked_again_after_the_read_timeout(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_UPSTREAM_READ_TIMEOUT_SECONDS = 0.2
    upstream.answer_with(stall, answer(200, b"1"))
    assert client.request("GET", "/").json() == 1


def test_a_server_that_never_accepts_is_given_up_after_the_connect_timeout(
    calls: Settings,
) -> None:
    calls.COORDINATOR_UPSTREAM_CONNECT_TIMEOUT_SECONDS = 0.2
    calls.COORDINATOR_UPSTREAM_RETRIES = 0
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # With nobody accepting, the queue takes one or two; after that Linux answers nobody.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            UpstreamClient(f"http://127.0.0.1:{full.getsockname()[1]}").request("GET", "/")
        assert 0.2 <= time.monotonic() - began < PROMPT_SECONDS


# -- size --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "huge",
    [
        pytest.param(answer(200, b"x" * 20_000), id="says so"),
        pytest.param(endless, id="does not say"),
        pytest.param(
            answer(200, gzip.compress(b"x" * 10_000_000), {"Content-Encoding": "gzip"}),
            id="packed",
        ),
    ],
)
def test_an_answer_that_is_too_big_is_not_read(
    client: UpstreamClient, upstream: Upstream, calls: Settings, huge: Behaviour
) -> None:
    calls.COORDINATOR_UPSTREAM_MAX_BYTES = 10_000
    calls.COORDINATOR_UPSTREAM_POOL = 1
    upstream.answer_with(huge, huge, answer(200, b"1"))
    for _ in range(2):
        with pytest.raises(UpstreamBadAnswer):
            client.request("GET", "/")
    # Its connection was not left half read, and its place in the pool is free again.
    assert client.request("GET", "/").json() == 1


# -- being asked to wait -----------------------------------------------------------------------


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
    client: UpstreamClient, upstream: Upstream, happened: list[events.Event]
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
    upstream.answer_with(answer(429, headers={"Retry-After": "3"}))
    began = time.monotonic()
    with cause("event"), pytest.raises(UpstreamRateLimited) as caught:
        client.request("GET", "/")
    assert time.monotonic() - began < 2.5
    assert caught.value.retry_after_seconds == 3


# -- breaker and budget ------------------------------------------------------------------------


def test_an_open_breaker_fails_at_once_and_lets_one_call_try_later(
    client: UpstreamClient, upstream: Upstream, calls: Settings
) -> None:
    calls.COORDINATOR_BREAKER_FAILURES = 3
    calls.COORDINATOR_BREAKER_RESET_SECONDS = 0.5
    upstream.answer_with(answer(500), answer(500), answer(500), answer(200, b"1"))
    with pytest.raises(UpstreamUnavailable):
        client.request("GET", "/")
    with pytest.raises(UpstreamCircuitOpen) as caught:
        client.request("GET", "/")
    assert 0 < (caught.value.retry_after_seconds or 0) <= 0.5
    assert len(upstream.requests) == 3
    time.sleep(0.5)
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
    client: UpstreamClient, upstream: Upstream, calls: Settings, happened: list[events.Event]
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


# -- what is told ------------------------------------------------------------------------------


def test_no_log_line_tells_a_query_a_body_or_a_token(
    client: UpstreamClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        upstream.answer_with(answer(200, b'"word1"'), answer(500), hang_up, stall, answer(404))

        def call(timeout_seconds: float) -> None:
            client.request(
                "PUT",
                "/path",
                query={"q": "word2"},
                headers={"Authorization": "Bearer word3"},
                body=b"word4",
                timeout_seconds=timeout_seconds,
            )

        call(20)
        with pytest.raises(UpstreamTimeout) as caught:
            call(1.5)
        with pytest.raises(UpstreamNotFound):
            call(20)
    assert "word" not in str(caught.value)
    lines = [record for record in caplog.records if record.name == "coordinator.upstream.client"]
    assert [record.getMessage() for record in lines] == ["upstream.request_finished"] * 3
    assert [vars(record)["path"] for record in lines] == ["/path"] * 3
    assert not [record for record in caplog.records if "word" in str(vars(record))]


def test_a_subscriber_that_fails_is_not_felt(
    client: UpstreamClient, upstream: Upstream, happened: list[events.Event]
) -> None:
    def broken(event: events.Event) -> None:
        raise RuntimeError

    unsubscribe = events.subscribe(broken)
    try:
        assert client.request("GET", "/").status == 200
    finally:
        unsubscribe()
    assert len(finished(happened)) == 1


def test_a_cause_is_one_of_the_known_ones() -> None:
    with pytest.raises(ValueError, match="backfill"), cause("whim"):
        pytest.fail("accepted")
