"""The parts of the embedded system, each for itself, with real servers around it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from kombu import Connection

from tests.integration.simulator_process import QUICK, running_simulator
from tests.support.metrics import value
from tests.support.threads import PATIENCE_SECONDS as ENDING_SECONDS
from tests.support.threads import Running
from tools.embedded import background, web
from tools.embedded.shopping import Party, telling
from tools.report.measuring import Measurements
from tools.report.oracle import Committed
from tools.report.troubles import Troubles
from tools.shoppers import Plan
from tools.simulator.clients import DEFAULT_SHOPPER_KEY
from workers.app import app

PATIENCE_SECONDS = 20.0
BRISK = Plan(rate=40, shoppers=20, poll_seconds=0.02, think_seconds=0.02, staff_reads=100)


# -- the oracle, and a server that it has to catch ---------------------------------------------


class OurApi:
    """A server that shows every payment at the revision that it is told to, and says "hit"."""

    def __init__(self, revision: int, status: int = 200) -> None:
        self.revision = revision
        self.status = status

    @contextmanager
    def running(self) -> Iterator[str]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = b'{"state": "succeeded"}'
                self.send_response(ours.status)
                self.send_header("Cache-Status", "Coordinator; hit")
                self.send_header("Payment-Revision", str(ours.revision))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def shop_at(api: OurApi, ledger: Committed | None) -> Measurements:
    """Return what is measured of some reads, of an API that shows something and a ledger too."""
    measured = Measurements(lambda: 0, Troubles())
    with running_simulator(*QUICK) as simulator, api.running() as url:
        party = Party(
            api=url,
            simulator=simulator.url,
            shopper_key=DEFAULT_SHOPPER_KEY,
            plan=BRISK,
            on_read=telling(measured),
            troubles=measured.troubles,
            ledger=lambda _: ledger,
        )
        with party.shopping():
            until = time.monotonic() + PATIENCE_SECONDS
            while measured.reads.total + measured.troubles.total < 30:
                assert time.monotonic() < until, "nobody reads"
                time.sleep(0.02)
    return measured


def test_the_oracle_catches_a_server_that_shows_the_past() -> None:
    measured = shop_at(OurApi(revision=1), Committed("succeeded", 2))
    assert measured.reads.stale == measured.reads.total >= 30
    told = measured.troubles.notes()
    assert any("revision 1, though 2 was committed" in note for note in told), told


def test_the_oracle_finds_nothing_wrong_with_a_server_that_shows_the_present() -> None:
    measured = shop_at(OurApi(revision=2), Committed("succeeded", 2))
    assert measured.reads.stale == 0
    assert measured.troubles.total == 0
    assert measured.reads.hits == measured.reads.total


def test_a_server_error_is_an_error_of_the_run() -> None:
    measured = shop_at(OurApi(revision=2, status=500), Committed("succeeded", 2))
    assert measured.troubles.by_kind()["reads"] >= 30
    assert measured.reads.total == 0


def test_a_ledger_that_fails_ends_the_traffic_and_is_an_error() -> None:
    measured = Measurements(lambda: 0, Troubles())

    def broken(number: str) -> Committed | None:
        raise ZeroDivisionError

    with running_simulator(*QUICK) as simulator, OurApi(revision=1).running() as url:
        party = Party(
            api=url,
            simulator=simulator.url,
            shopper_key=DEFAULT_SHOPPER_KEY,
            plan=BRISK,
            on_read=telling(measured),
            troubles=measured.troubles,
            ledger=broken,
        )
        with party.shopping():
            until = time.monotonic() + PATIENCE_SECONDS
            while not measured.troubles.total:
                assert time.monotonic() < until, "nobody noticed"
                time.sleep(0.02)
    assert measured.troubles.by_kind() == {"shoppers": 1}


# -- worker, beat and web server ---------------------------------------------------------------


@pytest.fixture
def failing_task() -> Iterator[str]:
    """Yield the name of a task that raises."""

    @app.task(name="tests.embedded.fails")
    def fails() -> None:
        raise ZeroDivisionError("on purpose")

    yield "tests.embedded.fails"
    app.tasks.unregister("tests.embedded.fails")


@pytest.mark.django_db(transaction=True)
def test_a_task_that_raises_is_counted_and_the_worker_ends_without_being_waited_for(
    failing_task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain_events = Connection.drain_events

    def drain_slowly(connection: Connection, timeout: float = 0, **options: Any) -> Any:
        return drain_events(connection, timeout=timeout and 2 * ENDING_SECONDS, **options)

    # Without a message, Celery's loop looks after each of these whether it should end.
    monkeypatch.setattr(Connection, "drain_events", drain_slowly)
    troubles = Troubles()
    with ExitStack() as parts:
        parts.enter_context(background.working(troubles))
        app.send_task(failing_task)
        until = time.monotonic() + PATIENCE_SECONDS
        while not troubles.total:
            assert time.monotonic() < until, "the failure was not counted"
            time.sleep(0.01)
        Running(parts.close).result()
    assert troubles.by_kind() == {"tasks": 1}
    assert "tests.embedded.fails raised ZeroDivisionError" in troubles.notes()[-1]
    assert not [thread.name for thread in threading.enumerate() if thread.name == "worker"]


@pytest.mark.django_db(transaction=True)
def test_beat_rings_the_settling_task_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(app.conf.beat_schedule["coordinator-settle"], "schedule", 0.05)
    settled = threading.Event()
    settle = app.tasks["coordinator.settle"]

    def ran(*args: object, **options: object) -> dict[str, int]:
        settled.set()
        return {}

    monkeypatch.setattr(settle, "run", ran)
    began = time.time()
    with ExitStack() as parts:
        parts.enter_context(background.working(Troubles()))
        parts.enter_context(background.ticking())
        assert settled.wait(PATIENCE_SECONDS)
        Running(parts.close).result()
    assert not list(tmp_path.iterdir())
    for role in ("worker", "beat"):
        shown = value("coordinator_heartbeat_timestamp_seconds", role=role)
        assert began <= shown <= time.time(), f"the {role} has shown that it lives"


@pytest.mark.django_db(transaction=True)
def test_the_web_server_answers_until_its_end_and_gives_the_port_back() -> None:
    listener = web.bind(0)
    url = f"http://{web.HOST}:{listener.getsockname()[1]}"
    with web.serving(listener):
        with urllib.request.urlopen(f"{url}/static/admin/css/base.css") as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/api/v1/payments/EDX-1/")
        assert refused.value.code == 401
        refused.value.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=1)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "web"]


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_being_answered_when_the_server_ends_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from coordinator import wsgi

    inside, go_on = threading.Event(), threading.Event()
    body = b"x" * 3_000_000

    class Slow(WSGIHandler):
        def get_response(self, request: HttpRequest) -> HttpResponse:
            inside.set()
            go_on.wait(PATIENCE_SECONDS)
            return HttpResponse(body)

    monkeypatch.setattr(wsgi, "application", Slow())
    listener = web.bind(0)
    url = f"http://{web.HOST}:{listener.getsockname()[1]}/"
    with web.serving(listener):
        asking = Running(lambda: urllib.request.urlopen(url).read())
        assert inside.wait(PATIENCE_SECONDS)
        threading.Timer(0.1, go_on.set).start()
    assert asking.result() == body
