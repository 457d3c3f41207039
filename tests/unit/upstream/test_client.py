"""The client: ordinary calls, refusals, and what is told of them."""

import gzip
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from coordinator import correlation
from coordinator.upstream import UpstreamClient, cause, events
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamBudgetSpent,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from tests.unit.upstream.conftest import finished
from tests.unit.upstream.misbehaving import (
    Upstream,
    answer,
    hang_up,
    stall,
)


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
    client: UpstreamClient,
    upstream: Upstream,
    calls: Settings,
    happened: list[events.UpstreamEvent],
) -> None:
    calls.COORDINATOR_UPSTREAM_POOL = 1
    upstream.answer_with(stall)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(client.request, "GET", "/slow")
        assert upstream.arrived.wait(20)
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
    client: UpstreamClient, upstream: Upstream, happened: list[events.UpstreamEvent]
) -> None:
    def broken(event: events.UpstreamEvent) -> None:
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
