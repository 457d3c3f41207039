"""One run: the stack comes up, shoppers come and go, and their day is summed up."""

import time
from collections.abc import Callable
from contextlib import suppress

from coordinator.core import resource
from coordinator.ledger import queue
from coordinator.operations.metrics import exposing
from coordinator.payments.models import Payment
from tools.embedded import welcome
from tools.embedded.shopping import Party, credential, telling
from tools.report.measuring import Figures, Measurements
from tools.report.provider import Seen, SimulatorFailed
from tools.report.troubles import Troubles
from tools.stack.settled import Endings
from tools.stack.system import System, fall_silent

_LOOK_SECONDS = 1.0
_EXAMPLE_SECONDS = 10.0
_SETTLE_DOWN_SECONDS = 15.0


class Run:
    """The day of the shoppers, as it is measured from here."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._seen = Seen()
        self._endings = Endings()
        self.troubles = Troubles()
        self.measurements = Measurements(
            self._upstream_loads, self.troubles, entry_loads=_entry_loads
        )

    def greet(self, say: Callable[[str], object]) -> None:
        """Have a payment made, and say how it can be asked for."""
        made = self._system.control.make_payment()
        number, owner = str(made["number"]), str(made["owner_id"])
        of = resource.get(Payment.resource_name)

        def arrived() -> bool:
            standing = of.standing(number)
            return standing is not None and not queue.backlog().unsettled

        warm = self._system.wait(_EXAMPLE_SECONDS, arrived)
        say(
            welcome.text(
                self._system.url, number, owner, credential(), self._system.directory, warm=warm
            )
        )

    def shop(self, seconds: float | None) -> None:
        """Let people come until the time is over, or it is interrupted."""
        system = self._system
        party = Party(
            api=system.url,
            simulator=system.control.url,
            shopper_key=system.keys.shopper,
            plan=system.options.traffic.of_shoppers(),
            on_read=telling(self.measurements),
            troubles=self.troubles,
        )
        until = None if seconds is None else time.monotonic() + seconds
        with party.shopping():
            while until is None or time.monotonic() < until:
                pause = _LOOK_SECONDS
                if until is not None:
                    pause = max(0.0, min(pause, until - time.monotonic()))
                if system.wait(pause):
                    break
                self.look()

    def settle_down(self) -> None:
        """Return once all webhooks have arrived and all changes are settled, or time is up."""
        fall_silent(self._system.control)
        deadline = time.monotonic() + _SETTLE_DOWN_SECONDS
        while self._busy() and time.monotonic() < deadline:
            if self._system.interrupts.wait(0.1, times=2):
                return

    def look(self) -> Figures:
        """Return the figures now."""
        for stored in self._endings.new():
            self.measurements.warmth.note(stored)
        return self.measurements.look()

    def sum_up(self) -> Figures:
        """Return the last figures, with what the programs have logged as errors."""
        for name, line in self._system.output.errors():
            self.troubles.add("logged", f"{name}: {line}")
        return self.look()

    def _busy(self) -> bool:
        self._upstream_loads()
        return bool(self._seen.pending or queue.backlog().unsettled)

    def _upstream_loads(self) -> int:
        with suppress(SimulatorFailed):
            self._seen = self._system.control.seen()
        self.troubles.set("webhooks", self._seen.refused)
        return self._seen.loads


def _entry_loads() -> int:
    """Return how many entries all processes have asked upstream for, as their metrics count."""
    return round(
        sum(
            sample.value
            for metric in exposing.registry(asking=False).collect()
            if metric.name == "coordinator_loads"
            for sample in metric.samples
        )
    )
