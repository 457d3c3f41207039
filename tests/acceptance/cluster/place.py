"""Where nodes run: what a place must be able to do, and the commands that it is given."""

from __future__ import annotations

import http.client
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.acceptance.cluster.nodes import BrokerNode, Node, Placed, WorkerNode

MEMCACHED_IMAGE = "memcached:1.6"
POSTGRES_IMAGE = "postgres:15"


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated, empty ledger: its DATABASES entry for this process, its address for the nodes."""

    settings: Mapping[str, Any]
    url: str


class Place(ABC):
    """Runs nodes, and removes them all in the end."""

    #: Whether somebody else takes a node's connections for it, also when it takes none any more.
    forwards: ClassVar[bool] = False

    @abstractmethod
    def broker(self) -> BrokerNode:
        """Start a Redis."""

    @abstractmethod
    def memcached(self) -> Node:
        """Start a memcached."""

    @abstractmethod
    def database(self) -> Database:
        """Return the ledger, on a PostgreSQL that runs."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Return at which ``host:port`` the other nodes will find the program of this name."""

    @abstractmethod
    def worker(self, name: str, environment: Mapping[str, str]) -> WorkerNode:
        """Start a worker, and return without waiting for it."""

    @abstractmethod
    def program(
        self,
        name: str,
        command: Callable[[str, int], Sequence[str]],
        environment: Mapping[str, str],
        is_up: Callable[[Placed], bool],
    ) -> Node:
        """Start one of our programs, and return without waiting for it.

        `command` is given the host and the port that it shall listen on.
        """

    @abstractmethod
    def close(self) -> None:
        """Remove whatever still runs."""


def web(host: str, port: int) -> list[str]:
    """Return the command of a web server."""
    return [
        *["granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--no-ws"],
        *["--workers", "1", "--blocking-threads", "8", "--workers-kill-timeout", "15"],
        "coordinator.wsgi:application",
    ]


def beat(_host: str, _port: int) -> list[str]:
    """Return the command of the beat, which keeps its schedule where it runs."""
    return [
        *[
            "celery",
            "--app",
            "workers",
            "beat",
            "--schedule",
            "beat",
            "--pidfile=",
            "--loglevel",
            "INFO",
        ]
    ]


def simulator(webhook_url: str, key: str, secret: str) -> Callable[[str, int], list[str]]:
    """Return how to get the command of a simulator that is quick and moves only when told to."""

    def command(host: str, port: int) -> list[str]:
        return [
            *["python", "-m", "tools.simulator", "--host", host, "--port", str(port)],
            *["--webhook-url", webhook_url, "--webhook-secret", secret, "--api-key", key],
            *["--latency-ms", "10", "--follow-up-ms", "0", "--webhook-delay-ms", "0"],
        ]

    return command


def answers(path: str) -> Callable[[Placed], bool]:
    """Return how to see whether a web server answers ``GET path`` with 200."""

    def is_up(node: Placed) -> bool:
        connection = http.client.HTTPConnection(node.outside, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return is_up


def has_said(words: str) -> Callable[[Placed], bool]:
    """Return how to see whether a program has printed these words since it was last started."""
    return lambda node: words in node.news()
