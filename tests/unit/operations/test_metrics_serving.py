"""The port on which a process that is no web server shows its metrics."""

import http.client
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

import pytest
from pytest_django import Settings

from coordinator.operations.metrics import serving
from tests.processes import HOST


@pytest.fixture(params=[HOST, "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[WSGIServer]:
    """Yield a server on a free port, of an IPv4 address and of an IPv6 one."""
    served = serving.serve(request.param, 0)
    if served is None:
        pytest.skip(f"this machine has no {request.param}")
    yield served
    served.shutdown()
    served.server_close()


def ask(
    server: WSGIServer, method: str = "GET", path: str = "/metrics", **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(str(server.server_address[0]), server.server_port)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/", "/metrics?name=ignored"])
def test_it_shows_what_this_process_has_counted(server: WSGIServer, path: str) -> None:
    status, body = ask(server, path=path)
    assert status == 200
    assert b"coordinator_changes_total" in body
    # What the ledger is asked for is the web processes' to ask.
    assert b"coordinator_backlog_changes" not in body


def test_it_answers_nothing_else(server: WSGIServer) -> None:
    assert ask(server, path="/admin/")[0] == 404
    assert ask(server, "POST")[0] == 405
    assert ask(server, "HEAD") == (200, b"")


def test_it_is_for_whoever_may_look(server: WSGIServer, settings: Settings) -> None:
    assert ask(server, Via="1.1 proxy")[0] == 403
    settings.COORDINATOR_OPERATIONS_TOKEN = "token-of-this-deployment"
    assert ask(server)[0] == 403
    assert ask(server, Authorization="Bearer token-of-this-deployment")[0] == 200


def test_where_somebody_has_the_port_work_goes_on_without(
    server: WSGIServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert serving.serve(str(server.server_address[0]), server.server_port) is None
    assert "metrics.unserved" in caplog.text
