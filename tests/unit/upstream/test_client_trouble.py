"""The client against servers that do everything wrong in turn."""

import gzip
import socket
import time
from contextlib import ExitStack

import pytest
from pytest_django import Settings

from coordinator.upstream import UpstreamClient, events
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.unit.upstream.conftest import finished
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
    happened: list[events.UpstreamEvent],
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
    happened: list[events.UpstreamEvent],
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
