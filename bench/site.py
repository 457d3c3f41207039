"""Everything that a run needs: servers and programs on one core, and this process among them."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from redis import Redis

from tools.servers.of_a_run import Servers, serving
from tools.servers.programs import MemcachedServer
from tools.servers.server import HOST, ServerFailed, ending_with_us, free_port

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE_SECONDS = 60.0
WORKER = (
    "celery -A bench.worker worker --pool threads --concurrency 8"
    " --queues settle,warm,default --loglevel WARNING --without-gossip"
)
_WEB = "granian --interface wsgi --workers 1 --blocking-threads 16 --no-access-log"


class TookTooLong(RuntimeError):
    """Something that was waited for did not happen."""


def pin(core: int | None) -> int:
    """Pin this process, and whatever it starts from now on, to one core; return which."""
    allowed = sorted(os.sched_getaffinity(0))
    # The last one: interrupts are mostly the first one's.
    chosen = allowed[-1] if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


def wait_until(condition: Callable[[], object], seconds: float = _PATIENCE_SECONDS) -> None:
    """Return as soon as `condition` holds; raise TookTooLong if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TookTooLong(f"not within {seconds} seconds")
        # Another process's state, which nothing announces; the asking must cost next to nothing.
        time.sleep(0.01)


@dataclass
class Site:
    """The servers and programs of a run."""

    servers: Servers
    directory: Path
    redis: Redis
    _stack: ExitStack = field(default_factory=ExitStack)
    _worker: "Program | None" = None
    _web: "Program | None" = None
    _web_port: int = 0

    @property
    def node(self) -> MemcachedServer:
        """Return the one node that all but the ring's figures use."""
        return self.servers.nodes[0]

    @property
    def ring(self) -> list[str]:
        """Return the addresses of three nodes."""
        return [node.address for node in self.servers.nodes]

    @property
    def worker(self) -> "Program":
        """Return the Celery worker, started when it is first asked for."""
        if self._worker is None:
            self._worker = Program("worker", WORKER.split(), self.directory)
            self._stack.callback(self._worker.end)
            program = self._worker
            wait_until(lambda: program.runs() and self.collected(wait_seconds=1) is not None)
        return self._worker

    @property
    def web(self) -> str:
        """Return the production server's ``host:port``, started when it is first asked for."""
        self.web_program.runs()
        return f"{HOST}:{self._web_port}"

    @property
    def web_program(self) -> "Program":
        """Return the production server, started when it is first asked for."""
        if self._web is None:
            self._web_port = free_port()
            where = ["--host", HOST, "--port", str(self._web_port)]
            command = [*_WEB.split(), *where, "bench.wsgi:application"]
            self._web = Program("web", command, self.directory)
            self._stack.callback(self._web.end)
            program = self._web
            wait_until(lambda: program.runs() and _listens(self._web_port))
        return self._web

    def collected(self, wait_seconds: float = _PATIENCE_SECONDS) -> dict[str, Any] | None:
        """Return what the worker remembers, None if it does not answer in time."""
        from bench.tasks import collect

        key = f"bench.{uuid.uuid4().hex}"
        collect.delay(key)
        answer = self.redis.blpop([key], timeout=wait_seconds)
        return None if answer is None else json.loads(answer[1])

    def waiting(self) -> int:
        """Return how many messages no worker has finished."""
        queues = ("settle", "warm", "default")
        return sum(self.redis.llen(name) for name in queues) + self.redis.hlen("unacked")

    def close(self) -> None:
        """End the programs."""
        self._stack.close()


class Program:
    """A process of ours, whose output goes to a file."""

    def __init__(
        self,
        name: str,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, in this process's environment if no other is given."""
        self.log = directory / f"{name}.log"
        self._file: IO[bytes] = self.log.open("wb")
        program = Path(sys.executable).parent / command[0]
        self.process = subprocess.Popen(  # noqa: S603  # our own programs
            [*ending_with_us("TERM"), str(program), *command[1:]],
            cwd=ROOT,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def runs(self) -> bool:
        """Return True; raise ServerFailed if it has ended."""
        if self.process.poll() is not None:
            raise ServerFailed(f"{self.log.stem} ended with {self.process.returncode}")
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it do nothing meanwhile, and go on at the end."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size

    def end(self) -> None:
        """End it, and wait until it has ended."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()


@contextmanager
def opened(directory: Path) -> Iterator[Site]:
    """Start the servers, set Django up in this process, and make the database's tables."""
    with serving(3, directory) as servers:
        os.environ.update(_environment(servers, directory))
        # A developer's own settings must not decide what is measured.
        for name in ("COORDINATOR_READS", "COORDINATOR_WARMING", "PROMETHEUS_MULTIPROC_DIR"):
            os.environ.pop(name, None)
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0, interactive=False)
        with Redis.from_url(f"{servers.redis.url}") as redis:
            site = Site(servers, directory, redis)
            try:
                yield site
            except (TookTooLong, ServerFailed) as error:
                for log in directory.glob("*.log"):
                    error.add_note(f"{log.name}: {log.read_text(errors='replace')[-2000:]}")
                raise
            finally:
                site.close()
                connections.close_all()


def _environment(servers: Servers, directory: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": HOST,
        "DJANGO_SECURE_SSL_REDIRECT": "false",
        "DATABASE_URL": servers.database.url,
        "CELERY_BROKER_URL": servers.redis.url,
        "MEMCACHED_SERVERS": servers.nodes[0].address,
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_PUBLIC_SIGNING_JWK_SET": "",
        "COORDINATOR_PROVIDER": "bench.provider.BenchProvider",
        # One reader asks for everything here; the throttle counts all the same.
        "COORDINATOR_USER_READS_PER_MINUTE": "1000000000",
        "COORDINATOR_LOG_LEVEL": "WARNING",
        # Pointers that were put there to be found must outlast the run.
        "COORDINATOR_POINTER_TIMEOUT_SECONDS": "1700",
        "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": "1700",
        "COORDINATOR_HEARTBEAT_DIR": str(directory),
        # As the image and the Procfile have it: with an allocator's arena for each thread, what
        # threads have freed stays theirs.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
