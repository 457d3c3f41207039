"""Nodes as containers of the project's own image, in a network of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import docker
from docker.models.containers import Container

from coordinator.settings import base
from tests.acceptance.cluster.nodes import BrokerNode, Node, Placed, WorkerNode
from tests.acceptance.cluster.place import (
    MEMCACHED_IMAGE,
    POSTGRES_IMAGE,
    Database,
    Place,
    has_said,
)
from tests.databases import migrated_test_database
from tests.processes import HOST, free_port

IMAGE = os.environ.get("COORDINATOR_IMAGE", "coordinator:local")
_PASSWORD = secrets.token_hex(8)

Kind = TypeVar("Kind", bound=Placed)


class Containers(Place):
    """A Docker engine, found as docker's own programs find it."""

    forwards = True

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._docker = docker.from_env()
        self._stack.callback(self._docker.close)
        self._ports: dict[str, int] = {}
        # Nobody else's names, also if two runs share the engine.
        self._prefix = f"coordinator-test-{secrets.token_hex(3)}"
        network = self._docker.networks.create(self._prefix)
        self._stack.callback(network.remove)
        self._database = self._stack.enter_context(self._migrated())

    def broker(self) -> BrokerNode:
        """Start Redis."""
        raw = self._run("redis", BrokerNode.image(), BrokerNode.command(), port=6379)
        return self._ready(BrokerNode, raw, 6379, has_said("Ready to accept connections"))

    def memcached(self) -> Node:
        """Start memcached."""
        raw = self._run("memcached", MEMCACHED_IMAGE, ["memcached", "-m", "64"], port=11211)
        return self._ready(Node, raw, 11211, _takes_connections)

    def database(self) -> Database:
        """Return the ledger, in a container as well."""
        return self._database

    def address(self, name: str) -> str:
        """Return the container's name, which the network knows, and the port of its program."""
        return f"{self._prefix}-{name}:8000"

    def worker(self, name: str, environment: Mapping[str, str]) -> WorkerNode:
        """Start a worker."""
        raw = self._run(
            name, IMAGE, WorkerNode.command("--hostname", f"{name}@%h"), **_ours(environment)
        )
        return self._placed(WorkerNode, raw, 0, has_said(" ready."))

    def program(
        self,
        name: str,
        command: Callable[[str, int], Sequence[str]],
        environment: Mapping[str, str],
        is_up: Callable[[Placed], bool],
    ) -> Node:
        """Start one of our programs."""
        raw = self._run(name, IMAGE, command("0.0.0.0", 8000), port=8000, **_ours(environment))
        return self._placed(Node, raw, 8000, is_up)

    def close(self) -> None:
        """Remove whatever still runs, and the network."""
        self._stack.close()

    def _run(
        self, name: str, image: str, command: Sequence[str], port: int = 0, **options: Any
    ) -> Container:
        return self._docker.containers.run(
            image,
            list(command),
            name=f"{self._prefix}-{name}",
            network=self._prefix,
            # The same port after a restart, and seen from this machine alone.
            ports={f"{port}/tcp": (HOST, self._ports.setdefault(name, free_port()))}
            if port
            else {},
            init=True,
            detach=True,
            **options,
        )

    def _placed(
        self, kind: type[Kind], raw: Container, port: int, is_up: Callable[[Placed], bool]
    ) -> Kind:
        name: str = raw.name
        outside = f"{HOST}:{self._ports.get(name.removeprefix(f'{self._prefix}-'), 0)}"
        node = kind(raw, f"{name}:{port}", outside, is_up)
        self._stack.callback(node.teardown)
        return node

    def _ready(
        self, kind: type[Kind], raw: Container, port: int, is_up: Callable[[Placed], bool]
    ) -> Kind:
        node = self._placed(kind, raw, port, is_up)
        node.ready()
        return node

    @contextmanager
    def _migrated(self) -> Iterator[Database]:
        """Run PostgreSQL, and yield an empty ledger on it."""
        raw = self._run(
            "postgres",
            POSTGRES_IMAGE,
            ["postgres", "-c", "fsync=off"],
            port=5432,
            environment={"POSTGRES_PASSWORD": _PASSWORD},
        )
        node = self._ready(Node, raw, 5432, _takes_queries)
        where = f"postgres://postgres:{quote(_PASSWORD)}@"
        settings = base.databases(f"{where}{node.outside}/postgres")["default"]
        with migrated_test_database(settings) as database:
            yield Database(database, f"{where}{node.inside}/{database['NAME']}")


def _ours(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return how our programs run: as in docker-compose.yml, without anything to write to."""
    return {
        "environment": {**environment, "PYTHONPATH": "/app"},
        # Their own directory; nothing that they write survives them.
        "working_dir": "/tmp",
        "tmpfs": {"/tmp": ""},
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def _takes_connections(node: Placed) -> bool:
    """Return True once memcached tells its version: asked inside, for outside a proxy answers."""
    ask = "exec 3<>/dev/tcp/127.0.0.1/11211 && printf 'version\\r\\n' >&3 && head -c 7 <&3"
    status, _ = node.exec_run(["bash", "-c", ask])
    return bool(status == 0)


def _takes_queries(node: Placed) -> bool:
    """Return True once PostgreSQL takes connections over TCP; while it is made it doesn't."""
    status, _ = node.exec_run(["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"])
    return bool(status == 0)
