"""The processes of one scenario: nodes, and programs that each have their own list of them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic

from bench import ledgers, things
from bench.site import ROOT, Program, wait_until
from coordinator.celery import tasks
from tools.servers.programs import MemcachedServer
from workers.app import app

_NODES = 4
#: What runs, in the order in which a rolling restart takes them.
ROLES = ("reader.1", "writer", "worker", "reader.2")
_SETTLE_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many payments are read and changed, and how often in a second, by all together."""

    payments: int = 150
    reads: float = 300.0
    changes: float = 15.0


@dataclass
class Farm:
    """What one scenario runs on; `series` begins the names of its payments."""

    directory: Path
    series: str
    nodes: list[MemcachedServer]
    pointer_seconds: int
    traffic: Traffic
    _running: dict[str, Program] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=count)
    _settle_at: float = 0.0

    def addresses(self, nodes: int) -> list[str]:
        """Return where the first so many nodes are."""
        return [node.address for node in self.nodes[:nodes]]

    def roll(self, role: str, servers: Sequence[str]) -> None:
        """Start what does `role` with these nodes, and when it works end what did so before."""
        number = next(self._number)
        name = f"{self.series}-{role}-{number}"
        files = {kind: self.directory / f"{kind}.{number}" for kind in ("reads", "commits")}
        of = [str(self.traffic.payments), self.series]
        if role == "worker":
            options = f"worker --pool threads --concurrency 4 --hostname {name}@bench"
            queues = "--queues settle,warm,default --loglevel WARNING --without-gossip"
            command = ["celery", "-A", "workers", *options.split(), *queues.split()]
        elif role == "writer":
            rate = str(self.traffic.changes)
            command = ["python", "-m", "bench.nodes.writer", str(files["commits"]), *of, rate]
        else:
            rate = str(self.traffic.reads / 2)
            command = ["python", "-m", "bench.nodes.reader", str(files["reads"]), *of, rate]
        fresh = Program(name, command, self.directory, self.environment(servers))
        before, self._running[role] = self._running.get(role), fresh
        try:
            if role == "worker":
                wait_until(lambda: fresh.runs() and app.control.ping([f"{name}@bench"], 1.0))
            else:
                file = files["commits" if role == "writer" else "reads"]
                wait_until(lambda: fresh.runs() and file.exists() and file.stat().st_size)
        finally:
            if before is not None:
                before.end()

    def go_on(self, seconds: float) -> None:
        """Let everything go on for so long; the settling task is rung as the beat would."""

        def over() -> bool:
            now = monotonic()
            if now >= self._settle_at:
                self._settle_at = now + _SETTLE_EVERY_SECONDS
                tasks.settle.apply_async(expires=_SETTLE_EVERY_SECONDS)
            return all(one.runs() for one in self._running.values()) and now >= until

        until = monotonic() + seconds
        wait_until(over, seconds + 60)

    def warm(self, servers: Sequence[str]) -> None:
        """Have every payment in the ledger, and its entry in the cache of these nodes."""
        names = things.numbers(self.traffic.payments, self.series)
        ledgers.empty()
        ledgers.fill(names, log=False)
        subprocess.run(  # our own program
            [sys.executable, "manage.py", "backfill", "payments", "--restart"],
            cwd=ROOT,
            env=dict(self.environment(servers)),
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def environment(self, servers: Sequence[str]) -> Mapping[str, str]:
        """Return the environment of a program that knows these nodes."""
        return {
            **os.environ,
            # Without the peers' caches, which these programs have no use for.
            "DJANGO_SETTINGS_MODULE": "coordinator.settings.production",
            "COORDINATOR_PROVIDER": "bench.nodes.provider.LedgerProvider",
            "MEMCACHED_SERVERS": ",".join(servers),
            "COORDINATOR_ABSENT_TIMEOUT_SECONDS": str(self.pointer_seconds),
            "COORDINATOR_POINTER_TIMEOUT_SECONDS": str(self.pointer_seconds),
            "COORDINATOR_SUSPENSION_TIMEOUT_SECONDS": "60",
        }

    def end(self) -> None:
        """End the programs."""
        for program in self._running.values():
            program.end()


@contextmanager
def running(
    directory: Path, series: str, nodes: int, pointer_seconds: int, traffic: Traffic
) -> Iterator[Farm]:
    """Run a farm whose programs know the first `nodes` of its four nodes, all payments warm."""
    directory.mkdir()
    directory.chmod(0o755)  # memcached runs as another user below it
    with ExitStack() as stack:
        servers = [stack.enter_context(MemcachedServer(directory)) for _ in range(_NODES)]
        farm = Farm(directory, series, servers, pointer_seconds, traffic)
        stack.callback(farm.end)
        farm.warm(farm.addresses(nodes))
        for role in ROLES:
            farm.roll(role, farm.addresses(nodes))
        yield farm
