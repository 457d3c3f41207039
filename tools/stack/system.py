"""Starts servers and programs in their order, and ends them in the reverse one."""

import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from coordinator.errors import CoordinatorError
from tools.embedded.interrupts import Interrupts
from tools.embedded.place import own_directory
from tools.embedded.web import bind
from tools.report.provider import Control, Keys, SimulatorFailed, new_keys
from tools.servers import of_a_run as servers_of_a_run
from tools.servers.of_a_run import Servers
from tools.servers.server import HOST, free_port
from tools.stack import environment, ledger, procfile
from tools.stack.options import Options
from tools.stack.output import Output
from tools.stack.supervisor import Supervisor

#: What the names of runs' directories begin with: those of other users are theirs to tidy up.
PREFIX = f"coordinator-stack-{os.geteuid()}-"
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class Interrupted(CoordinatorError):
    """The run was interrupted."""


class NotReady(CoordinatorError):
    """A part of the stack did not come up in time."""


@dataclass(frozen=True, slots=True)
class System:
    """Everything while it runs. For the thread that started it, which must not end before it."""

    options: Options
    url: str
    keys: Keys
    control: Control
    servers: Servers
    supervisor: Supervisor
    output: Output
    directory: Path
    interrupts: Interrupts

    def wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Return True on an interrupt, or as soon as `until` holds; False after `seconds`.

        Looks after the programs meanwhile; raises ProgramEnded if one has ended that should not.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.supervisor.look()
            if until is not None and until():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self.interrupts.wait(min(left, _LOOK_SECONDS)):
                return True


@contextmanager
def running(options: Options, interrupts: Interrupts) -> Iterator[System]:
    """Run the whole stack but for its shoppers, for as long as the block takes.

    Raise ServerMissing, ServerFailed, PortTaken, NoPlace, ProgramEnded, NotReady or Interrupted.
    """
    servers_of_a_run.check_installed()
    with ExitStack() as stack:
        with closing(bind(options.size.port)) as listener:
            # Given back before anybody else listens there; no other way to hand it to the server.
            port: int = listener.getsockname()[1]
        directory = stack.enter_context(_directory())
        servers = stack.enter_context(servers_of_a_run.serving(options.size.memcached, directory))
        _unless(interrupts)
        keys, provider = new_keys(), free_port()
        variables = environment.compose(
            options,
            servers={"database": servers.database.url, "redis": f"redis://{servers.redis.address}"},
            nodes=[node.address for node in servers.nodes],
            ports=(port, provider),
            keys=keys,
            directory=directory,
        )
        stack.enter_context(ledger.opened(variables))
        _unless(interrupts)
        logs = options.logs or directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        output = Output(logs, printed=options.printed)
        programs = procfile.programs(options.size.workers, variables, output)
        supervisor = Supervisor(programs, output, options.restart_after_seconds)
        stack.callback(supervisor.stop)
        supervisor.start()
        system = System(
            options=options,
            url=f"http://{HOST}:{port}",
            keys=keys,
            control=Control(f"http://{HOST}:{provider}"),
            servers=servers,
            supervisor=supervisor,
            output=output,
            directory=directory,
            interrupts=interrupts,
        )
        _wait_until_ready(system)
        yield system


def _wait_until_ready(system: System) -> None:
    workers = system.options.size.workers
    for what, is_ready in (
        ("the simulator", system.control.answers),
        ("the web server", lambda: answers(system.url)),
        ("the workers", lambda: ledger.workers_that_answer(workers) >= workers),
    ):
        if not system.wait(_READY_SECONDS, is_ready):
            raise NotReady(what)
        _unless(system.interrupts)


def answers(url: str) -> bool:
    """Return True if the web server at `url` serves requests; what it says does not matter."""
    # The address is our own, and a payment that does not exist needs a credential all the same.
    try:
        with urllib.request.urlopen(f"{url}/api/v1/payments/none/", timeout=2):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code < 500
    except OSError:
        return False


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory of the run's own that servers that run as another user may pass through.

    Among the temporary ones, since those can't reach into a home directory.
    """
    with own_directory(Path(tempfile.gettempdir()), prefix=PREFIX) as directory:
        directory.chmod(0o711)
        yield directory


def _unless(interrupts: Interrupts) -> None:
    if interrupts.wait(0):
        raise Interrupted


def fall_silent(control: Control) -> None:
    """Let the provider tell of nothing that happens from now on, if it answers."""
    with suppress(SimulatorFailed):
        control.fall_silent()
