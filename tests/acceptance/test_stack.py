"""``make stack`` as a newcomer starts it, what it shows, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import psutil
import pytest
import urllib3

from tests.conftest import running
from tests.processes import HOST, free_port
from tests.servers import NginxServer
from tests.support.summary import KEYS
from tools.chaos.slow_senders import SlowSenders
from tools.embedded.place import own_directory
from tools.stack.system import PREFIX

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("servers_installed")]


@contextmanager
def stack(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Yield the command while it runs; it is killed if the test did not see it end."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools.stack", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def belongings(process: subprocess.Popen[str]) -> tuple[list[psutil.Process], set[Path]]:
    """Return every process below this one, and the directories in which they keep their data."""
    found = psutil.Process(process.pid).children(recursive=True)
    pattern = re.compile(rf"(/\S+?/{PREFIX}[^/\s]+)")
    words = " ".join(word for one in found for word in one.cmdline())
    return found, {Path(path) for path in pattern.findall(words)}


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_it_ends_by_itself_with_the_summary_as_its_last_line() -> None:
    with stack("--seconds", "8", "--json") as process:
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    summary = json.loads(out.splitlines()[-1])
    assert list(summary) == KEYS
    assert summary["stale_reads"] == 0
    assert summary["errors"] == 0, errors
    assert summary["changes"] > 10
    assert summary["warmed"] + summary["superseded"] <= summary["changes"]
    assert summary["hits"] > summary["misses"]
    assert summary["upstream_loads"] <= summary["changes"]
    assert 0 < summary["commit_to_warm_ms_p50"] <= summary["commit_to_warm_ms_p99"]


@pytest.fixture
def port() -> int:
    """Return where the stack's web server will listen."""
    return free_port()


@pytest.fixture
def nginx(port: int) -> Iterator[NginxServer]:
    """Yield nginx before it, with the configuration that we deploy."""
    yield from running(NginxServer(f"{HOST}:{port}"))


def test_behind_nginx_slow_senders_hurt_no_reader_and_no_webhook(
    port: int, nginx: NginxServer
) -> None:
    def alive() -> int:
        answer = urllib3.request("GET", f"{nginx.url}/healthz", retries=False, timeout=20)
        return answer.status

    with stack("--seconds", "12", "--json", "--port", str(port)) as process:
        while process.poll() is None and alive() != 200:
            pass
        with SlowSenders(HOST, nginx.port, many=40, path="/webhooks/stripe/") as senders:
            asked = [alive() for _ in range(50)]
            refused = dict(senders.answers)
            out, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    assert (set(asked), refused) == ({200}, {})
    summary = json.loads(out.splitlines()[-1])
    assert (summary["errors"], summary["stale_reads"]) == (0, 0), errors
    assert summary["changes"] > 10


def test_what_it_prints_works_until_it_is_interrupted_and_nothing_is_left() -> None:
    with stack("--workers", "1", "--web", "1", "--memcached", "2", "--rate", "2") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("# an unsigned webhook"):
                break
        owner, stranger, _ = (line for line in lines if line.startswith("curl") and "@" in line)
        assert "hit" in get(owner)[1].get("Cache-Status", "")
        assert get(stranger)[0] == 404
        processes, directories = belongings(process)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    # Lines with the programs' names before them, and the summary after all of them.
    assert re.search(r"^\d\d:\d\d:\d\d worker\.1\s+\| ", out, re.MULTILINE)
    assert "Summary" in out
    # Web and its worker, worker, beat, simulator, PostgreSQL and its own, Redis, memcached twice.
    assert len(processes) >= 9
    wait_until_gone(processes)
    assert directories
    assert not [path for path in directories if path.exists()]


def test_nothing_runs_on_when_it_is_killed() -> None:
    with stack("--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("# an unsigned webhook"):
                break
        processes, directories = belongings(process)
        process.kill()
        process.wait()

        wait_until_gone(processes)
    # Who is killed can't tidy up; whoever comes next does.
    assert all(path.exists() for path in directories)
    with own_directory(next(iter(directories)).parent, prefix=PREFIX):
        assert not [path for path in directories if path.exists()]


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    code = (
        "import sys; from tools.servers.programs import MemcachedServer;"
        "from tools.servers.redis import RedisServer; from tools.stack import __main__;"
        "MemcachedServer.program = RedisServer.program = 'no-such-program';"
        "sys.exit(__main__.main(['--port', '0']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 1
    assert "apt-get install memcached redis-server" in ended.stderr
    assert "Traceback" not in ended.stderr


def get(curl: str) -> tuple[int, Message]:
    """Return the status and the headers that a printed curl command gets."""
    found = re.fullmatch(r"curl -i -H @(/\S+) (http://127\.0\.0\.1:\S+)\n", curl)
    assert found is not None, curl
    name, _, value = Path(found[1]).read_text().rstrip("\n").partition(": ")
    request = urllib.request.Request(found[2], headers={name: value})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers
