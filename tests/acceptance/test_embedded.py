"""``manage.py embedded`` as a newcomer starts it, what it shows, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.support.summary import KEYS
from tools.embedded import web

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.slow


class Answer(NamedTuple):
    """What a curl command gets."""

    status: int
    headers: Any
    body: bytes


@dataclass
class Run:
    """The command while it runs: its process, and the lines that it has printed so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def curls(self) -> list[str]:
        """Return the curl commands that are printed at the start, once all of them are."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "/webhooks/" in line:
                break
        return [line for line in self.lines if line.startswith("curl ")]

    def finish(self, how: signal.Signals | None = None) -> dict[str, Any]:
        """Return the summary; send a signal first, or wait for its end."""
        if how is not None:
            self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.lines += rest.splitlines()
        assert self.process.returncode == 0
        summary: dict[str, Any] = json.loads(self.lines[-1])
        return summary

    def belongings(self) -> Belongings:
        """Return what belongs to the run while it runs."""
        process = psutil.Process(self.process.pid)
        files = [Path(opened.path) for opened in process.open_files()]
        return Belongings(
            children=process.children(recursive=True),
            directories=[path.parent for path in files if path.name == "ledger.sqlite3"],
        )


@dataclass
class Belongings:
    """The child processes of a run, and the directories that it keeps its files in."""

    children: list[psutil.Process]
    directories: list[Path]

    def left(self) -> list[object]:
        """Return what of it is still there."""
        return [
            *[child for child in self.children if child.is_running()],
            *[path for path in self.directories if path.exists()],
        ]


def environment_of_a_newcomer() -> dict[str, str]:
    """Return the environment without what the tests, or a developer, have set for this project."""
    ours = ("DJANGO_", "COORDINATOR_", "CELERY_", "STRIPE_", "JWT_", "MEMCACHED_", "DATABASE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def embedded(*options: str) -> Iterator[Run]:
    """Start the command; kill it if it is still there in the end."""
    process = subprocess.Popen(
        # From another directory: the command finds its checkout by itself.
        [sys.executable, str(ROOT / "manage.py"), "embedded", *options],
        cwd="/",
        env=environment_of_a_newcomer(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Run(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(curl: str) -> Answer:
    """Return the answer to one of the printed commands, as curl would get it."""
    words = shlex.split(curl)
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    header = words[words.index("-H") + 1]
    if header.startswith("@"):
        header = Path(header[1:]).read_text().rstrip("\n")
    name, _, value = header.partition(": ")
    request = urllib.request.Request(words[-1], data=body, headers={name: value})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Seen(NamedTuple):
    """Everything that is asked of one run with warming: it takes seconds, and tests share it."""

    summary: dict[str, Any]
    lines: list[str]
    answers: list[Answer]
    belongings: Belongings


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Return what is seen of a run of eight seconds that ends by itself."""
    with embedded("--seconds", "8", "--json", "--port", "0", "--seed", "acceptance") as run:
        answers = [ask(curl) for curl in run.curls()]
        belongings = run.belongings()
        return Seen(run.finish(), run.lines, answers, belongings)


def test_the_last_line_is_the_summary_with_exactly_the_promised_keys(seen: Seen) -> None:
    assert list(json.loads(seen.lines[-1])) == KEYS


def test_nearly_all_reads_are_warm_and_none_is_stale_or_fails(seen: Seen) -> None:
    assert seen.summary["stale_reads"] == 0
    assert seen.summary["errors"] == 0, seen.lines
    assert seen.summary["reads"] > 100
    # 0.99 on a quiet machine: what no event carries is loaded, and a shopper may come before that.
    assert seen.summary["hit_ratio"] > 0.9


def test_the_figures_fit_together(seen: Seen) -> None:
    summary = seen.summary
    assert summary["hits"] + summary["misses"] == summary["reads"]
    assert 0 < summary["warmed"] <= summary["changes"]
    assert summary["warmed"] + summary["superseded"] + summary["abandoned"] <= summary["changes"]
    assert summary["abandoned"] == 0
    assert summary["warm_read_ms_p50"] > 0
    assert 0 < summary["commit_to_warm_ms_p50"] <= summary["commit_to_warm_ms_p99"]
    # Nearly every entry comes along with its event; the provider takes 80 ms for the others.
    assert summary["carried"] > 0.8 * summary["changes"]
    assert summary["commit_to_warm_ms_p50"] < 80
    assert summary["upstream_loads"] <= 0.3 * summary["changes"]
    assert summary["upstream_loads_without_warming"] > summary["upstream_loads"]
    assert summary["read_wait_without_warming_s"] > summary["read_wait_s"] > 0


def test_the_owner_gets_a_hit_with_the_printed_credential(seen: Seen) -> None:
    owner, _, _, _ = seen.answers
    assert owner.status == 200, seen.lines
    assert re.search(r";\s*hit;", owner.headers["Cache-Status"])
    assert json.loads(owner.body)["state"] == "succeeded"
    assert int(owner.headers["Payment-Revision"]) >= 1


def test_somebody_else_gets_404_and_staff_get_the_same_bytes(seen: Seen) -> None:
    owner, stranger, staff, _ = seen.answers
    assert stranger.status == 404
    assert staff.status == 200
    assert staff.body == owner.body


def test_an_unsigned_webhook_is_refused(seen: Seen) -> None:
    assert seen.answers[3].status == 400


def test_nothing_is_left_behind(seen: Seen) -> None:
    assert len(seen.belongings.children) == 1
    assert len(set(seen.belongings.directories)) == 1
    assert not seen.belongings.left()


def test_nothing_goes_wrong_and_the_unsigned_webhook_is_all_that_is_warned_of(seen: Seen) -> None:
    logged = [line for line in seen.lines if re.search(r"\b(WARNING|ERROR|Traceback)\b", line)]
    assert [line for line in logged if "outcome=bad_signature" not in line] == []
    assert len(logged) == 1


def test_without_warming_the_same_traffic_is_colder_and_as_fresh(seen: Seen) -> None:
    with embedded(
        *["--seconds", "8", "--json", "--port", "0", "--seed", "acceptance", "--without-warming"]
    ) as run:
        owner = ask(run.curls()[0])
        cold = run.finish()
    assert owner.status == 200, run.lines
    assert "fwd=miss" in owner.headers["Cache-Status"]
    assert list(cold) == KEYS
    assert cold["hit_ratio"] < seen.summary["hit_ratio"] - 0.05
    assert cold["stale_reads"] == 0
    assert cold["errors"] == 0, run.lines
    assert cold["warmed"] == cold["superseded"] == 0
    assert cold["commit_to_warm_ms_p50"] is None
    # The model that a warm run compares itself with says what really happens here.
    expected = cold["upstream_loads_without_warming"]
    assert abs(cold["upstream_loads"] - expected) <= max(5, expected // 10)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_a_summary(how: signal.Signals) -> None:
    with embedded("--json", "--port", "0") as run:
        run.curls()
        belongings = run.belongings()
        began = time.monotonic()
        summary = run.finish(how)
        assert time.monotonic() - began < 15
    assert list(summary) == KEYS
    assert summary["errors"] == 0, run.lines
    assert not belongings.left()


def test_nothing_outlives_a_run_that_is_killed() -> None:
    with embedded("--json", "--port", "0") as run:
        run.curls()
        belongings = run.belongings()
        run.process.kill()
        run.process.wait()
        _, alive = psutil.wait_procs(belongings.children, timeout=PATIENCE_SECONDS)
    assert not alive
    # A killed process removes nothing; the next run does it.
    with embedded("--json", "--port", "0", "--seconds", "0.1") as run:
        run.finish()
    assert not belongings.left()


def test_a_port_that_is_taken_is_a_sentence_that_says_what_to_do() -> None:
    with web.bind(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with embedded("--port", str(port)) as run:
            printed, _ = run.process.communicate(timeout=PATIENCE_SECONDS)
    assert run.process.returncode == 1
    assert printed.count("\n") == 1
    assert "make run PORT=" in printed
    assert str(port) in printed
