"""Redis, alone or as one of several, and the Sentinel that watches over several."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.servers.server import HOST, Server


class RedisServer(Server):
    """Redis that keeps nothing on disk. `options` are directives of redis.conf."""

    program = package = "redis-server"

    def __init__(
        self, within: Path | None = None, *, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(within)
        self._options = dict(options or {})

    @property
    def url(self) -> str:
        """Return the address as Celery and redis-py take it."""
        return f"redis://{self.address}/0"

    def command(self) -> list[str]:
        """Return the command."""
        options = {
            "bind": HOST,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "dir": str(self.directory),
            "daemonize": "no",
            # A replica gets its copy at once; by default a master waits 5 s for more of them.
            "repl-diskless-sync-delay": "0",
            **self._options,
        }
        directives = (part for name, value in options.items() for part in (f"--{name}", value))
        return [self.executable(), *directives]

    def answers(self) -> bool:
        """Return True once it answers a ping."""
        return self.tell("PING").startswith("+PONG")

    def tell(self, *words: str) -> str:
        """Return the beginning of what it answers to a command whose words have no blanks."""
        return self.exchange(f"{' '.join(words)}\r\n".encode()).decode()

    def follow(self, master: "RedisServer") -> None:
        """Become a replica of `master`, and lose all data for that one's."""
        self.tell("REPLICAOF", HOST, str(master.port))

    def lead(self) -> None:
        """Become a master, with the data that it has."""
        self.tell("REPLICAOF", "NO", "ONE")

    def in_step(self) -> bool:
        """Return True if it is a replica that has all the data of its master."""
        with socket.create_connection((HOST, self.port), timeout=1) as connection:
            connection.sendall(b"INFO replication\r\n")
            with connection.makefile("rb") as answer:
                length = int(answer.readline().removeprefix(b"$"))
                return b"master_link_status:up" in answer.read(length)


class SentinelServer(Server):
    """One Sentinel, which alone decides, after half a second, that `master` is gone."""

    program = package = "redis-server"

    #: What it calls its master.
    NAME: Final = "coordinator"

    def __init__(
        self, master: RedisServer, within: Path | None = None, *, password: str = ""
    ) -> None:
        super().__init__(within)
        self._master = master
        self._password = password

    @property
    def url(self) -> str:
        """Return the address as Celery takes it."""
        return f"sentinel://{self.address}/0"

    def prepare(self) -> None:
        """Write its configuration, in which it keeps what it learns."""
        lines = [
            f"bind {HOST}",
            f"dir {self.directory}",
            f"sentinel monitor {self.NAME} {HOST} {self._master.port} 1",
            f"sentinel down-after-milliseconds {self.NAME} 500",
            f"sentinel failover-timeout {self.NAME} 3000",
        ]
        if self._password:
            lines.append(f"requirepass {self._password}")
        self._configuration.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        """Return the command: Debian's redis-sentinel is this program under another name."""
        options = ["--sentinel", "--port", str(self.port), "--daemonize", "no"]
        return [self.executable(), str(self._configuration), *options]

    def answers(self) -> bool:
        """Return True once it answers, if only that it wants a password."""
        return self.exchange(b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))

    def tell(self, *words: str) -> str:
        """Return the beginning of what it answers to a command whose words have no blanks."""
        with socket.create_connection((HOST, self.port), timeout=1) as connection:
            if self._password:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                connection.recv(256)
            connection.sendall(f"{' '.join(words)}\r\n".encode())
            return connection.recv(256).decode()

    def master_port(self) -> int:
        """Return the port of the master that it names now."""
        answer = self.tell("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME)
        return int(answer.split("\r\n")[-2])

    def knows_a_replica(self) -> bool:
        """Return True if there is a replica that it could make the master."""
        return not self.tell("SENTINEL", "REPLICAS", self.NAME).startswith("*0")

    def hand_over(self) -> None:
        """Make a replica the master, and the master a replica, though nothing is wrong."""
        self.tell("SENTINEL", "FAILOVER", self.NAME)

    @property
    def _configuration(self) -> Path:
        return self.directory / "sentinel.conf"
