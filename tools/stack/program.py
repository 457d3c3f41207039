"""One line of the Procfile as a process: started, ended, paused, killed, and started again."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tools.servers.server import ending_with_us
from tools.stack.output import Output

_STOP_SECONDS = 15.0


class Program:
    """One program, which may have children of its own: they share its process group.

    The thread that starts it must live as long as it does, as with a server.
    """

    def __init__(
        self, name: str, command: str, environment: Mapping[str, str], output: Output
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Return the id of its process, 0 if it was never started."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it; what it prints goes to its output."""
        # exec: the process that we get to know is the program and not its shell. It is told to end
        # (not killed) when we are gone, so that it can end its children.
        command = [*ending_with_us("TERM"), "/bin/sh", "-c", f"exec {self._command}"]
        with contextlib.ExitStack() as stack:
            stdout: int | IO[bytes] = subprocess.PIPE
            if not self._output.printed:
                stdout = stack.enter_context(self._output.path(self.name).open("ab"))
            self._process = subprocess.Popen(  # noqa: S603  # the Procfile's own words
                command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C is for us alone, and its children end with it.
                start_new_session=True,
            )
        if self._process.stdout is not None:
            self._pump = self._output.pump(self.name, self._process.stdout)

    def ended(self) -> int | None:
        """Return its exit status (below 0: the signal that killed it), None while it runs."""
        return None if self._process is None else self._process.poll()

    def tail(self) -> list[str]:
        """Return the last lines that it has printed."""
        return self._output.tail(self.name)

    def children(self) -> list[int]:
        """Return the ids of its children, such as the web server's workers, as Linux tells them."""
        told = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        try:
            return [int(pid) for pid in told.read_text().split()]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        """End it, and its children, without giving them time for anything."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        """Let it stand still, in the middle of whatever it does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Tell it to end, as an administrator would; `finish` waits for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self.resume()

    def finish(self) -> None:
        """Return once it has ended, killed if it takes too long; nothing of its group is left."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        # Whatever of its group is left: a child that did not end, or all of it.
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._pump is not None:
            self._pump.join()

    def _signal(self, number: signal.Signals) -> None:
        # The group is ours until its last process is gone, even after the program itself has ended.
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
