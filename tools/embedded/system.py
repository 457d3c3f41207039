"""Starts the parts in their order, and ends them in the reverse one."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from coordinator.core import events
from coordinator.ledger import queue
from coordinator.ledger.signals import state_changed
from tools.embedded import adapting, background, place, upstream, web
from tools.embedded.interrupts import Interrupts
from tools.embedded.options import Options
from tools.embedded.upstream import Simulator
from tools.report.measuring import Measurements
from tools.report.provider import Keys, Seen, SimulatorFailed, new_keys
from tools.report.troubles import Troubles

_EXAMPLE_SECONDS = 5.0
_SETTLE_DOWN_SECONDS = 8.0
_LOOK_AGAIN_SECONDS = 0.05
_RUNS = Path("var")


class System:
    """Everything while it runs."""

    def __init__(
        self,
        options: Options,
        url: str,
        directory: Path,
        keys: Keys,
        simulator: Simulator,
        troubles: Troubles,
    ) -> None:
        self.options = options
        self.url = url
        #: The run's own, which is gone when the run is.
        self.directory = directory
        self.keys = keys
        self.simulator = simulator
        self.measurements = Measurements(self._upstream_loads, troubles, warming=options.warming)
        self._seen = Seen()

    def make_example(self) -> tuple[str, str]:
        """Have a payment made, and return its number and owner once it is there, and warm."""
        arrived = _Arrival(warm=self.options.warming)
        with arrived.expected():
            made = self.simulator.make_payment()
            arrived.wait(made["number"])
        return made["number"], made["owner_id"]

    def settle_down(self, interrupts: Interrupts) -> None:
        """Return once all webhooks have arrived and all changes are settled, or time is up.

        Or on a second interrupt. Traffic must have ended.
        """
        with suppress(SimulatorFailed):
            self.simulator.fall_silent()
        until = time.monotonic() + _SETTLE_DOWN_SECONDS
        while time.monotonic() < until and self._busy():
            if interrupts.wait(_LOOK_AGAIN_SECONDS, times=2):
                return

    def _busy(self) -> bool:
        self._upstream_loads()
        if self._seen.pending:
            return True
        return self.options.warming and queue.backlog().unsettled > 0

    def _upstream_loads(self) -> int:
        troubles = self.measurements.troubles
        try:
            self._seen = self.simulator.seen()
        except SimulatorFailed as error:
            troubles.add("simulator", f"{error}: {self.simulator.last_words()}")
        troubles.set("webhooks", self._seen.refused)
        return self._seen.loads


@contextmanager
def running(options: Options, troubles: Troubles) -> Iterator[System]:
    """Run the whole system but for its shoppers, for as long as the block takes.

    Raise PortTaken, NoPlace, SimulatorFailed or WorkerFailed.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(closing(web.bind(options.port)))
        url = f"http://{web.HOST}:{listener.getsockname()[1]}"
        directory = stack.enter_context(place.own_directory(settings.BASE_DIR / _RUNS))
        keys = new_keys()
        simulator = stack.enter_context(
            upstream.starting(
                keys, f"{url}/webhooks/stripe/", directory / "simulator", options.of_simulator()
            )
        )
        adapting.use_database(directory / "ledger.sqlite3")
        stack.callback(connections.close_all)
        call_command("migrate", verbosity=0, interactive=False)
        adapting.use_upstream(simulator.wait_until_ready(), keys)
        system = System(options, url, directory, keys, simulator, troubles)
        stack.enter_context(system.measurements.listening())
        adapting.use_addresses()
        stack.enter_context(web.serving(listener))
        if options.warming:
            stack.enter_context(background.working(troubles))
            stack.enter_context(background.ticking())
        else:
            adapting.leave_cold()
        yield system


class _Arrival:
    """Waits until a payment has arrived: in the ledger, or in the cache as well."""

    def __init__(self, *, warm: bool) -> None:
        self._warm = warm
        self._arrived: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Listen for as long as the block takes."""
        with ExitStack() as stack:
            if self._warm:
                stack.callback(events.subscribe(self._stored))
            else:
                state_changed.connect(self._recorded)
                stack.callback(state_changed.disconnect, self._recorded)
            yield

    def wait(self, number: str) -> bool:
        """Return True once this payment is there in the state that it was made in."""
        with self._changed:
            return self._changed.wait_for(lambda: number in self._arrived, _EXAMPLE_SECONDS)

    def _stored(self, event: events.CoreEvent) -> None:
        if isinstance(event, events.EntryWarmed) and event.stored:
            _, identifier, state = event.entry_name.split(".")
            self._arrive(identifier, state)

    def _recorded(self, identifier: str = "", state: str = "", **_: object) -> None:
        self._arrive(identifier, state)

    def _arrive(self, identifier: str, state: str) -> None:
        if state == "succeeded":
            with self._changed:
                self._arrived.add(identifier)
                self._changed.notify_all()
