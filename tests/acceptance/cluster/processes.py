"""Nodes as processes of this machine, so that no Docker is needed."""

from __future__ import annotations

import os
import shutil
import signal as signals
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from tests.acceptance.cluster.nodes import BrokerNode, Node, Placed, WorkerNode
from tests.acceptance.cluster.place import Database, Place, has_said
from tests.processes import HOST, Server, free_port
from tests.servers import MemcachedServer, PostgresServer, RedisServer
from tools.servers.server import ending_with_us

ROOT = Path(__file__).resolve().parents[3]

Kind = TypeVar("Kind", bound=Placed)


class Process:
    """One of our programs with its children, with what is used of docker's Container.

    Signals go where docker sends them: those that end it to itself, the others to all of it.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = self.id = name
        self.attrs: dict[str, Any] = {}
        self._command = list(command)
        self._environment = dict(environment)
        self._directory = Path(tempfile.mkdtemp(prefix=f"cluster-{name}-"))
        self._process = self._start()

    @property
    def status(self) -> str:
        """Return "running" or "exited"."""
        return "running" if self._process.poll() is None else "exited"

    def reload(self) -> None:
        """Do nothing: the status is always the present one."""

    def kill(self, signal: str | int | None = None) -> None:
        """Send it a signal, by name or by number, SIGKILL by default."""
        number = signals.Signals[signal] if isinstance(signal, str) else signal
        if number in (None, signals.SIGKILL):
            self._send_to_all(signals.SIGKILL)
            self._process.wait()
        else:
            self._process.send_signal(number)

    def restart(self, timeout: float = 10) -> None:
        """End it, if it runs, and start it again."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self._send_to_all(signals.SIGKILL)
        self._process.wait()
        self._process = self._start()

    def pause(self) -> None:
        """Let it stand still."""
        self._send_to_all(signals.SIGSTOP)

    def unpause(self) -> None:
        """Let it go on."""
        self._send_to_all(signals.SIGCONT)

    def logs(self) -> bytes:
        """Return everything that it has printed."""
        return (self._directory / "log").read_bytes()

    def wait(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return its exit status, once it has ended; raise TimeoutExpired."""
        return {"StatusCode": self._process.wait(timeout)}

    def remove(self, *, force: bool = False, v: bool = False) -> None:
        """End it at once, and remove its directory."""
        self._send_to_all(signals.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [*ending_with_us("KILL"), *self._command],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _send_to_all(self, number: signals.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class ServerProcess:
    """A server from the system's packages, with what is used of docker's Container."""

    def __init__(self, server: Server) -> None:
        self.name = self.id = server.program
        self.attrs: dict[str, Any] = {}
        self._server = server.start()

    @property
    def status(self) -> str:
        """Return "running" or "exited"."""
        return "exited" if self._server.process is None else "running"

    def reload(self) -> None:
        """Do nothing: the status is always the present one."""

    def kill(self, signal: str | int | None = None) -> None:
        """End it: at once, unless by SIGTERM."""
        if signal == "SIGTERM":
            self._server.stop()
        else:
            self._server.kill()

    def restart(self, timeout: float = 10) -> None:
        """End it, if it runs, and start it again where it was."""
        self._server.stop()
        self._server.restart()

    def pause(self) -> None:
        """Let it stand still."""
        self._server.pause()

    def unpause(self) -> None:
        """Let it go on."""
        self._server.resume()

    def logs(self) -> bytes:
        """Return the last lines that it has printed."""
        return self._server.log.encode()

    def wait(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return at once: ending a server waits for its end."""
        return {"StatusCode": 0}

    def remove(self, *, force: bool = False, v: bool = False) -> None:
        """End it, and remove its data."""
        self._server.close()


class Processes(Place):
    """This machine."""

    def __init__(self, postgres: PostgresServer, database: Mapping[str, Any]) -> None:
        self._postgres = postgres
        self._database = database
        self._ports: dict[str, int] = {}
        self._stack = ExitStack()

    def broker(self) -> BrokerNode:
        """Start redis-server."""
        server = RedisServer()
        return self._placed(BrokerNode, ServerProcess(server), server.address, _is_running)

    def memcached(self) -> Node:
        """Start memcached."""
        server = MemcachedServer()
        return self._placed(Node, ServerProcess(server), server.address, _is_running)

    def database(self) -> Database:
        """Return the ledger that the tests' own PostgreSQL has."""
        name = self._database["NAME"]
        return Database(self._database, f"postgres://postgres@{self._postgres.address}/{name}")

    def address(self, name: str) -> str:
        """Return the address of a port that was free when it was first asked for."""
        return f"{HOST}:{self._ports.setdefault(name, free_port())}"

    def worker(self, name: str, environment: Mapping[str, str]) -> WorkerNode:
        """Start ``celery worker``."""
        process = Process(
            name, WorkerNode.command("--hostname", f"{name}@%h"), _environment(environment)
        )
        return self._placed(WorkerNode, process, self.address(name), has_said(" ready."))

    def program(
        self,
        name: str,
        command: Callable[[str, int], Sequence[str]],
        environment: Mapping[str, str],
        is_up: Callable[[Placed], bool],
    ) -> Node:
        """Start one of our programs."""
        address = self.address(name)
        process = Process(name, command(HOST, self._ports[name]), _environment(environment))
        return self._placed(Node, process, address, is_up)

    def close(self) -> None:
        """Remove whatever still runs."""
        self._stack.close()

    def _placed(
        self,
        kind: type[Kind],
        raw: Process | ServerProcess,
        address: str,
        is_up: Callable[[Placed], bool],
    ) -> Kind:
        node = kind(raw, address, address, is_up)
        self._stack.callback(node.teardown)
        return node


def _is_running(_: Placed) -> bool:
    """Return True: a server answered before it was handed out."""
    return True


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a program finds: the cluster's settings, and of ours what it runs by."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
