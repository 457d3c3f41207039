"""The simulator as a child process that ends with this one."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from tools import ROOT
from tools.report.provider import Control, Keys, SimulatorFailed

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class Simulator(Control):
    """A simulator that is starting, or running. `start` makes one."""

    def __init__(self, ready: IO[bytes], log: Path) -> None:
        super().__init__()
        self._ready = ready
        self._log = log

    def wait_until_ready(self) -> str:
        """Return its URL once it answers; raise SimulatorFailed with its last words if it won't."""
        answered, _, _ = select.select([self._ready], [], [], _START_SECONDS)
        # An empty line is the end of its output: it has ended instead.
        if answered and (line := self._ready.readline()):
            self.url = json.loads(line)["url"]
            return self.url
        raise SimulatorFailed(self.last_words())

    def last_words(self) -> str:
        """Return the end of what it has printed."""
        return self._log.read_text(errors="replace").strip()[-500:]


@contextmanager
def starting(
    keys: Keys, webhook_url: str, log: Path, options: Sequence[str]
) -> Iterator[Simulator]:
    """Start a simulator, and yield it before it is ready: there is other work meanwhile.

    A process of its own: upstream is another company's machine, and its work must not be counted as
    ours. It is told to end when its standard input does, which is when this process is gone; and it
    has a session of its own, so that Ctrl-C is for us alone and it answers until we are done.
    """
    command = [
        *[sys.executable, "-m", "tools.simulator"],
        *["--port", "0", "--exit-with-parent", "--webhook-url", webhook_url],
        *["--api-key", keys.service, "--shopper-key", keys.shopper, *options],
    ]
    environment = {**os.environ, "SIMULATOR_WEBHOOK_SECRET": keys.webhook}
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603  # our own module, with options of our own making
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            # Where `-m tools.simulator` is found, whatever directory the run was started from.
            cwd=ROOT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Simulator(cast(IO[bytes], process.stdout), log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
