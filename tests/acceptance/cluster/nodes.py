"""pytest-celery's containers, around whatever a place runs: processes here, or real containers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from pytest_celery.api.container import CeleryTestContainer
from pytest_celery.vendors.redis.container import RedisContainer
from pytest_celery.vendors.worker.container import CeleryWorkerContainer

START_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.02


class Raw(Protocol):
    """What runs: docker's own Container, or a process that can be treated like one."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def attrs(self) -> dict[str, Any]: ...

    def reload(self) -> None: ...
    def kill(self, signal: str | int | None = None) -> None: ...
    def restart(self, timeout: float = 10) -> None: ...
    def pause(self) -> None: ...
    def unpause(self) -> None: ...
    def logs(self) -> bytes: ...
    def remove(self, *, force: bool = False, v: bool = False) -> None: ...
    def wait(self, *, timeout: float | None = None) -> dict[str, Any]: ...


class NotUp(AssertionError):
    """A node did not come up, or did not end; what it printed last is part of the message."""


class Placed(CeleryTestContainer):
    """What every node can do, wherever it runs.

    `inside` is its ``host:port`` for the other nodes, `outside` the one for this process.
    """

    def __init__(
        self, raw: Raw, inside: str, outside: str, is_up: Callable[[Placed], bool]
    ) -> None:
        super().__init__(raw)
        self.inside = inside
        self.outside = outside
        self._is_up = is_up
        self._seen = 0
        self._removed = False

    def ready(self) -> bool:
        """Return True once it does its work; raise NotUp if it ends instead, or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._container.reload()
            if self._container.status == "exited":
                raise NotUp(f"{self.name} ended:\n{self.tail()}")
            if self._is_up(self):
                return True
            time.sleep(_LOOK_AGAIN_SECONDS)
        raise NotUp(f"{self.name} did not come up:\n{self.tail()}")

    def restart(self, timeout: float = 30) -> None:
        """End it as an administrator would, start it again, and return once it is ready."""
        self._seen = len(self.logs())
        self._container.restart(timeout=timeout)
        self.ready()

    def stop(self, seconds: float = 30) -> int:
        """End it as an administrator would; return its exit status once it has ended."""
        self._container.kill("SIGTERM")
        try:
            status: int = self._container.wait(timeout=seconds)["StatusCode"]
        except Exception as error:
            raise NotUp(f"{self.name} did not end:\n{self.tail()}") from error
        return status

    def ask_to_end(self) -> None:
        """Tell it to end, and don't wait."""
        self._container.kill("SIGTERM")

    def pause(self) -> None:
        """Let it stand still."""
        self._container.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._container.unpause()

    def teardown(self) -> None:
        """End it, however it is, and remove what it leaves; once is enough."""
        if not self._removed:
            self._removed = True
            self._container.remove(force=True, v=True)

    def news(self) -> str:
        """Return what it has printed since it was last restarted."""
        printed: str = self.logs()
        return printed[self._seen :]

    def tail(self) -> str:
        """Return the last lines that it printed."""
        return "\n".join(self.logs().splitlines()[-20:])


class Node(Placed):
    """A web server, a beat, a simulator, a memcached."""


class BrokerNode(Placed, RedisContainer):
    """Redis, as pytest-celery has it, in the version that the project runs with."""

    IMAGE: ClassVar[str] = "redis:7"

    @classmethod
    def image(cls) -> str:
        """Return the pinned image."""
        return cls.IMAGE

    @property
    def url(self) -> str:
        """Return the address for the other nodes."""
        return f"redis://{self.inside}/{self.vhost}"

    @property
    def host_url(self) -> str:
        """Return the address for this process."""
        return f"redis://{self.outside}/{self.vhost}"

    @property
    def hostname(self) -> str:
        """Return the host for the other nodes."""
        return self.inside.partition(":")[0]

    @property
    def port(self) -> int:
        """Return the port for this process."""
        return int(self.outside.rpartition(":")[2])


class WorkerNode(Placed, CeleryWorkerContainer):
    """A worker of the project: its own app, its own queues, no toy."""

    QUEUES: ClassVar[str] = "settle,warm,default"

    @classmethod
    def command(cls, *args: str, **_: Any) -> list[str]:
        """Return the command; what `args` say comes last."""
        return [
            *["celery", "--app", "workers", "worker", "--queues", cls.worker_queue()],
            *["--pool", "threads", "--concurrency", "1", "--without-mingle"],
            *["--without-gossip", "--loglevel", "INFO", *args],
        ]

    @classmethod
    def worker_queue(cls) -> str:
        """Return its queues."""
        return cls.QUEUES
