"""A warm ``GET`` in this process: processor time alone, without a server and its sockets."""

import io
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench import things
from bench.figures import Figure, at_most, compared, counted
from bench.options import Options
from bench.site import Site
from bench.tokens import token
from coordinator.core import resource
from tools.servers.server import HOST

_WARM = "/api/v1/payments/INSIDE-0/"


def measure(site: Site, options: Options) -> list[Figure]:  # noqa: ARG001  # needs no server
    """Return the figures."""
    from bench import wsgi

    things.put_warm(resource.get("payment"), ["INSIDE-0"], 600)
    authorized = {"HTTP_AUTHORIZATION": f"JWT {token()}"}
    etag = _ask(wsgi.application, _WARM, authorized)["ETag"]
    known = {**authorized, "HTTP_IF_NONE_MATCH": etag}
    calls = options.of(200, 1_000)
    contestants: dict[str, Callable[[], object]] = {
        "warm": lambda: _ask(wsgi.application, _WARM, authorized),
        "bare": lambda: _ask(wsgi.application, f"{wsgi.BARE}INSIDE-0/", authorized),
        "known": lambda: _ask(wsgi.application, _WARM, known),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.of(7, 21)):
        for name, ask in contestants.items():
            seconds[name].append(_processor_seconds(ask, calls))
    warm, bare, same = (1e6 * median(seconds[name]) for name in ("warm", "bare", "known"))
    with CaptureQueriesContext(connection) as queries:
        _ask(wsgi.application, _WARM, authorized)
    return [
        compared("inside", "warm GET, processor time", warm, bare, "µs", "bare view", at_most(2.2)),
        compared("inside", "304 to If-None-Match", same, warm, "µs", "a warm GET", at_most(1)),
        counted("inside", "queries of a warm GET", len(queries), at_most(0)),
    ]


def _processor_seconds(work: Callable[[], object], calls: int) -> float:
    work()
    began = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - began) / calls


def _ask(application: Any, path: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of an answer; raise RuntimeError for anything but a 200 or 304."""
    told: dict[str, str] = {}

    def start_response(status: str, sent: list[tuple[str, str]], *_: object) -> None:
        if not status.startswith(("200", "304")):
            raise RuntimeError(status)
        told.update(sent)

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "HTTP_HOST": HOST,
        "HTTP_ACCEPT": "*/*",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        **headers,
    }
    answer = application(environ, start_response)
    b"".join(answer)
    answer.close()
    return told
