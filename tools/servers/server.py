"""Runs one server program for as long as it is needed, and leaves nothing behind.

It listens on a free port of 127.0.0.1, keeps its data in a directory of its own, and ends with the
process that started it, however that ends.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from coordinator.errors import CoordinatorError

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 10.0
PORT_ATTEMPTS = 5


class ServerMissing(CoordinatorError):
    """Not installed."""

    permanent = True


class ServerFailed(CoordinatorError):
    """A server ended, or did not answer, after it was started."""


class Server(ABC):
    """One server process; a context manager that starts it and stops it.

    Its directory is made below `within`, by default among the system's temporary ones. The thread
    that starts it must live as long as it does: the kernel ends it with that thread.
    """

    #: The program, and the Debian package that installs it.
    program: ClassVar[str]
    package: ClassVar[str]
    #: As whom it runs, the first of them that exists, when we are root and it wouldn't be.
    users: ClassVar[tuple[str, ...]] = ()
    #: How an administrator would end it.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, within: Path | None = None) -> None:
        self.port = 0
        self.directory = Path()
        self.process: subprocess.Popen[bytes] | None = None
        self._within = within

    # What each kind of server says of itself

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground on ``self.port``."""

    def prepare(self) -> None:  # noqa: B027  # most kinds need nothing
        """Make what the server needs in ``self.directory`` before its first start."""

    @abstractmethod
    def answers(self) -> bool:
        """Return True once the server does its work, not only listens; or raise OSError."""

    # What they share

    @classmethod
    def executable(cls) -> str:
        """Return the program's path; raise ServerMissing with the command that installs it."""
        # Debian keeps daemons out of an ordinary user's PATH.
        path = shutil.which(cls.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            raise ServerMissing(how_to_install([cls]))
        return path

    @property
    def address(self) -> str:
        """Return ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of the running server's process."""
        if self.process is None:
            raise ServerFailed(f"{self.program} is not running")
        return self.process.pid

    def start(self) -> Self:
        """Start the server on a free port and return once it answers.

        Raises ServerMissing without the program, ServerFailed when it doesn't come up.
        """
        self.executable()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.program}-", dir=self._within))
        try:
            if owner := self.owner():
                os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self.prepare()
            for attempt in range(1, PORT_ATTEMPTS + 1):
                self.port = free_port()
                try:
                    self._launch()
                except ServerFailed:
                    # Another process may have taken the port between our look and its start.
                    if attempt == PORT_ATTEMPTS:
                        raise
                else:
                    break
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        return self

    def restart(self) -> None:
        """Start the server again on the port and the data that it had, after stop or kill."""
        self._launch()

    def stop(self) -> None:
        """End the server as an administrator would, and return when it has ended."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server without giving it time for anything."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Leave the server's connections open and unanswered, as a hung machine would."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on, with the data that it had."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop the server, if it runs, and remove its data."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def owner(self) -> pwd.struct_passwd | None:
        """Return the user that the server runs as, None for our own."""
        if not self.users or os.geteuid() != 0:
            return None
        for name in self.users:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise ServerFailed(f"{self.program} doesn't run as root, and there is no other user")

    def privileges(self) -> dict[str, Any]:
        """Return what makes ``subprocess`` run a command as the server's owner."""
        owner = self.owner()
        if owner is None:
            return {}
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": ()}

    @property
    def log(self) -> str:
        """Return the last lines that the server printed."""
        path = self.directory / "log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-20:])

    def _launch(self) -> None:
        # The kernel ends the server with the process that started it, even if that is killed.
        command = [*ending_with_us("KILL"), *self.command()]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # servers of ours, on our own terms
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the process that started it; the server ends after its users.
                start_new_session=True,
                **self.privileges(),
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise ServerFailed(f"{self.program} ended at once:\n{self.log}")
            with contextlib.suppress(OSError):
                if self.answers():
                    return
            # The only sign of readiness that all three share is that they answer.
            time.sleep(0.02)
        raise ServerFailed(f"{self.program} did not answer at {self.address}:\n{self.log}")

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        # A paused process takes no signal but SIGKILL before it goes on.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def exchange(self, question: bytes) -> bytes:
        """Return the first bytes of the server's answer to `question`."""
        with socket.create_connection((HOST, self.port), timeout=1) as connection:
            connection.sendall(question)
            return connection.recv(256)


def how_to_install(kinds: Iterable[type[Server]]) -> str:
    """Return what to say of servers that are not there: their packages, and the command."""
    packages = " ".join(kind.package for kind in kinds)
    return (
        f"{packages}. To install: sudo apt-get update && sudo apt-get install {packages} "
        "(`make test` does that where it may)"
    )


def ending_with_us(signal_name: str) -> list[str]:
    """Return what to put before a command so that the kernel sends it a signal when we are gone.

    Nothing where util-linux is missing: then it outlives us if we are killed.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, "--"] if setpriv else []


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
