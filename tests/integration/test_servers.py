"""The servers that the other tests rely on: they start, come back, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from tests.processes import Server, ServerFailed, ServerMissing
from tests.servers import MemcachedServer, PostgresServer, RedisServer

KINDS: list[type[Server]] = [MemcachedServer, RedisServer, PostgresServer]
TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(params=KINDS, ids=[kind.program for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> type[Server]:
    """Return each kind of server that is installed; skip (fail in CI) the others."""
    found: type[Server] = request.param
    try:
        found.executable()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    return found


def test_a_server_returns_on_its_port_after_it_was_killed(kind: type[Server]) -> None:
    with kind() as server:
        address = server.address
        server.kill()
        with pytest.raises(OSError, match=r"refused|reset"):
            server.answers()
        server.restart()

        assert server.address == address
        assert server.answers()


def test_a_paused_server_can_be_stopped_and_leaves_no_data(kind: type[Server]) -> None:
    with kind() as server:
        pid, directory = server.pid, server.directory
        server.pause()

    assert not psutil.pid_exists(pid)
    assert not directory.exists()


def test_a_server_ends_with_a_process_that_is_killed(kind: type[Server]) -> None:
    code = (
        f"import tests.servers, sys; server = tests.servers.{kind.__name__}().start();"
        "print(server.pid, server.directory, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        pid, directory = starter.stdout.readline().split()
        server = psutil.Process(int(pid))
        starter.send_signal(signal.SIGKILL)
    try:
        deadline = time.monotonic() + 10
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"{kind.program} runs on"
            time.sleep(0.02)
    except psutil.NoSuchProcess:
        pass
    finally:
        # Who is killed can't tidy up.
        subprocess.run(["rm", "-rf", directory], check=True)


def test_a_server_that_ends_at_once_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MemcachedServer()
    monkeypatch.setattr(
        MemcachedServer, "command", lambda _: ["sh", "-c", "echo no such option; exit 1"]
    )

    with pytest.raises(ServerFailed, match="no such option"):
        server.start()
    assert not server.directory.exists()


def test_a_missing_server_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RedisServer, "program", "no-such-server")

    with pytest.raises(ServerMissing, match="apt-get install redis-server"):
        RedisServer().start()


def test_each_ledger_begins_empty_and_commits(each_ledger: str) -> None:
    get_user_model().objects.create(username="the same in both runs")

    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[each_ledger]
    assert connection.in_atomic_block is False


def test_postgresql_enforces_the_time_limits(postgres_ledger: None) -> None:
    with connection.cursor() as cursor:
        limits = {}
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            [limits[name]] = cursor.fetchone()

    assert limits == {
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
    }
