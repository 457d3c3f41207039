"""Real workers, a real beat and a real web server: their heartbeats, and what each of them counts.

Started once for all tests here, at the same time, since starting is most of what they cost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.db import connections

from coordinator.ledger.models import Change
from coordinator.operations import heartbeat
from tests.databases import default_database
from tests.integration.payments.tokens import bearer
from tests.processes import HOST, Server, free_port
from tests.servers import MemcachedServer, RedisServer
from tests.support.metrics import shown

TOP = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 30.0
ROLES = {"threads": "worker", "prefork": "worker", "beat": "beat"}


class Process(Server):
    """One of our own processes; it answers on the port where it shows its metrics.

    Unlike other servers it is not waited for when it is started, so that several start at once.
    """

    program = "coordinator"

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        super().__init__()
        self._arguments = arguments
        self._environment = environment

    @classmethod
    def executable(cls) -> str:
        """Return this Python: it is always installed."""
        return sys.executable

    def command(self) -> list[str]:
        """Return the command, with what depends on port and directory filled in."""
        places = {"port": str(self.port), "directory": str(self.directory)}
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TOP),
            "COORDINATOR_HEARTBEAT_DIR": "{directory}",
            "COORDINATOR_METRICS_PORT": "{port}",
            **self._environment,
        }
        return [
            *["/usr/bin/env", "-i"],
            *[f"{name}={text.format(**places)}" for name, text in environment.items()],
            *[self.executable(), "-m"],
            *[argument.format(**places) for argument in self._arguments],
        ]

    def answers(self) -> bool:
        """Return True once it shows its metrics."""
        return bool(self.metrics())

    def _wait_until_it_answers(self) -> None:
        """Leave the waiting to `wait_until_it_answers`."""

    def wait_until_it_answers(self) -> None:
        """Return once it answers; raise ServerFailed if it never does."""
        super()._wait_until_it_answers()

    def tell_to_end(self) -> None:
        """Tell it to end, if it runs, and don't wait for that."""
        if self.process is not None:
            self.process.send_signal(self.stop_signal)

    def metrics(self) -> str:
        """Return what it shows."""
        try:
            answer = urllib3.request(
                "GET", f"http://{self.address}/metrics", retries=False, timeout=5
            )
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError from error
        return answer.data.decode() if answer.status == 200 else ""

    def beaten_since(self, role: str, moment: float) -> bool:
        """Return True if its last heartbeat is from after that time."""
        age = heartbeat.age_seconds(self.directory, role, time.time())
        return age is not None and time.time() - age > moment

    def is_well(self, role: str, max_age: float) -> bool:
        """Return what the health check says that a container runs."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "coordinator.operations.heartbeat",
                role,
                "--max-age",
                str(max_age),
            ],
            cwd=TOP,
            env={"COORDINATOR_HEARTBEAT_DIR": str(self.directory)},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


@dataclass
class Running:
    """What runs, and the broker that it runs on."""

    processes: Mapping[str, Process]
    redis: RedisServer

    def beating(self) -> list[tuple[Process, str]]:
        """Return those that have a heart, with their roles."""
        return [(self.processes[name], role) for name, role in ROLES.items()]


def until(holds: Callable[[], bool], what: str) -> None:
    """Return once `holds` does; fail when that takes too long. Other processes send no event."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running(
    memcached_server: MemcachedServer, sqlite_database: dict[str, Any], django_db_blocker: Any
) -> Iterator[Running]:
    """Yield a worker of each kind, a beat and a web server with two processes."""
    with django_db_blocker.unblock(), default_database(sqlite_database):
        # Nothing keeps this payment, so its change is given up by whoever settles it.
        Change.objects.create(
            resource="payment", identifier="EDX-GONE", revision=1, event_id="evt_gone"
        )
    connections.close_all()
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        common = {
            "DATABASE_URL": f"sqlite:///{sqlite_database['NAME']}",
            "MEMCACHED_SERVERS": memcached_server.address,
            "COORDINATOR_CACHE_PREFIX": f"test-{os.getpid()}",
            "CELERY_BROKER_URL": redis.url,
            "STRIPE_API_BASE": f"http://{HOST}:{free_port()}",
            "COORDINATOR_HEARTBEAT_EVERY_SECONDS": "0.2",
            "COORDINATOR_SETTLE_EVERY_SECONDS": "0.5",
        }
        together = {"PROMETHEUS_MULTIPROC_DIR": "{directory}/metrics"}
        celery = ["celery", "-A", "workers"]
        worker = [*celery, "worker", "--without-mingle", "--without-gossip", "--concurrency", "2"]
        web = ["granian", "--interface", "wsgi", "--host", HOST, "--port", "{port}"]
        processes = {
            # Every task is the prefork worker's: its children count, and its main process shows it.
            "threads": Process([*worker, "-n", "t@test", "-P", "threads", "-Q", "none"], common),
            "prefork": Process(
                [*worker, "-n", "p@test", "-Q", "settle,warm,default"], common | together
            ),
            "beat": Process([*celery, "beat", "--schedule", "{directory}/schedule"], common),
            "web": Process(
                [*web, "--workers", "2", "coordinator.wsgi:application"], common | together
            ),
        }
        for process in processes.values():
            stack.enter_context(process)
        for process in processes.values():
            # All are told to end before any is waited for.
            stack.callback(process.tell_to_end)
        for process in processes.values():
            process.wait_until_it_answers()
        yield Running(processes, redis)
    with django_db_blocker.unblock(), default_database(sqlite_database):
        Change.objects.all().delete()


# -- metrics -----------------------------------------------------------------------------------


def test_what_children_of_a_worker_count_is_shown_by_their_parent(running: Running) -> None:
    def counted() -> float | None:
        return shown(
            running.processes["prefork"].metrics(),
            "coordinator_changes_total",
            resource="payment",
            outcome="abandoned",
        )

    until(lambda: counted() == 1, "nobody settled, or nobody counted it")


def test_each_shows_that_it_lives(running: Running) -> None:
    for process, role in running.beating():

        def beats(process: Process = process, role: str = role) -> bool:
            name = "coordinator_heartbeat_timestamp_seconds"
            beaten = shown(process.metrics(), name, role=role)
            return beaten is not None and time.time() - beaten < PATIENCE_SECONDS

        # It answers before its main loop, which is what beats, has begun.
        until(beats, f"the {role} does not beat")


def test_whichever_web_process_is_asked_shows_what_all_of_them_counted(running: Running) -> None:
    web = running.processes["web"]
    for _ in range(30):
        # A connection each: the processes take turns.
        answer = urllib3.PoolManager().request(
            "GET", f"http://{web.address}/api/v1/payments/EDX-404/", headers=bearer()
        )
        assert answer.status == 404

    def counted() -> float | None:
        return shown(web.metrics(), "coordinator_reads_total", resource="payment", outcome="absent")

    until(lambda: counted() == 30, "a read is missing")
    assert {counted() for _ in range(10)} == {30}
    assert shown(web.metrics(), "coordinator_abandoned_changes") == 1


# -- heartbeats --------------------------------------------------------------------------------


def test_a_process_that_hangs_falls_silent_and_is_well_when_it_goes_on(running: Running) -> None:
    for process, role in running.beating():
        until(partial(process.is_well, role, 5), f"the {role} does not beat")
        process.pause()
    try:
        time.sleep(1.2)  # nothing happens, which is what this is about
        for process, role in running.beating():
            assert not process.is_well(role, 1)
    finally:
        for process, _ in running.beating():
            process.resume()
    for process, role in running.beating():
        until(partial(process.is_well, role, 1), f"the {role} stays silent")


def test_a_broker_that_is_down_silences_nobody(running: Running) -> None:
    running.redis.kill()
    try:
        # Each notices at once; a second later it waits for it, and a second more is another beat.
        for later in (1, 2):
            since = time.time() + later / 2
            for process, role in running.beating():
                until(
                    partial(process.beaten_since, role, since),
                    f"the {role} is silent while its broker is down",
                )
    finally:
        running.redis.restart()


def test_a_worker_ends_as_ever_when_it_is_told_to(running: Running) -> None:
    worker = running.processes["threads"].process
    assert worker is not None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_SECONDS) == 0
