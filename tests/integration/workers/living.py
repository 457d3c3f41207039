"""A worker and a beat in processes of their own, on a broker to which things happen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.settings.brokers import transport_options
from tests.integration.workers.napping import nap
from workers.app import app

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 120.0
_UNCONNECTED = re.compile(r"Cannot connect to|beat\.unconnected")
_AGAIN = re.compile(r"Trying again in ([0-9.]+) seconds|again_in_seconds=([0-9.]+)")
_DEATH = re.compile(r"Unrecoverable error|Frequent restarts")


@dataclass(frozen=True)
class Program:
    """A running program of Celery's, and what it logs."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self) -> str:
        """Return all that it logged."""
        return self.log.read_text(errors="replace")

    def attempts(self) -> int:
        """Return how often it could not connect."""
        return len(_UNCONNECTED.findall(self.says()))

    def waits(self) -> list[float]:
        """Return for how many seconds it waited before each next attempt."""
        return [float(one or other) for one, other in _AGAIN.findall(self.says())]

    def lives(self) -> bool:
        """Return True if it runs, and never came near to its end."""
        return self.process.poll() is None and not _DEATH.search(self.says())

    def until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds` does; fail, and show the log, if that takes long or this ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process.poll() is None, self.says()
            assert time.monotonic() < deadline, self.says()
            time.sleep(0.02)


@contextmanager
def program(directory: Path, url: str, *arguments: str, **variables: str) -> Iterator[Program]:
    """Run ``celery -A napping`` with these arguments on the broker at `url`."""
    log = directory / f"{arguments[0]}.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tests.integration.workers.napping", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "coordinator.settings.development",
                "CELERY_BROKER_URL": url,
                "MEMCACHED_SERVERS": "127.0.0.1:1",
                "PYTHONUNBUFFERED": "1",
                **variables,
            },
            stdout=written,
            stderr=written,
        )
    try:
        yield Program(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def worker(
    directory: Path, url: str, pool: str, **variables: str
) -> AbstractContextManager[Program]:
    """Run a worker with two places in such a pool."""
    options = ["--pool", pool, "--concurrency", "2", "--queues", "naps"]
    return program(
        directory, url, "worker", *options, "--without-gossip", "--without-mingle", **variables
    )


def send(url: str, note: Path, seconds: float, options: Mapping[str, object] | None = None) -> None:
    """Send a nap that writes to `note` to the broker at `url`."""
    ours = transport_options(url, visibility_timeout_seconds=600)
    with app.connection_for_write(url, transport_options={**ours, **(options or {})}) as connection:
        sending: dict[str, Any] = {"connection": connection, "queue": "naps"}
        nap.apply_async(args=(str(note), seconds), **sending)


def says(note: Path, word: str) -> Callable[[], bool]:
    """Return what tells if `note` says `word`."""
    return lambda: note.exists() and note.read_text() == word
