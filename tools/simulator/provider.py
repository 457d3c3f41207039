"""The simulated provider as a whole: its payments, its events, and the bank behind it.

Knows no network. Time, the timer and the receiver of events come in as parameters.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tools.simulator.errors import StripeError, missing
from tools.simulator.events import Cause, EventLog, SimulatedEvent, make_events
from tools.simulator.faults import Faults
from tools.simulator.identifiers import derive
from tools.simulator.payment import Charge, Payment
from tools.simulator.steps import find_step
from tools.simulator.store import Store
from tools.simulator.transition import FollowUp, Transition

DEFAULT_EVENTS_KEPT = 50_000
_BY_ITSELF = Cause()


def _keep_silent(_: Sequence[SimulatedEvent]) -> None:
    """Send nothing."""


class Timer(Protocol):
    """Calls back later: an event loop's call_later, or a test's own."""

    def __call__(self, seconds: float, callback: Callable[[], None], /) -> object:
        """Call `callback` after so many seconds."""


@dataclass
class Provider:
    """Everything that the provider holds, and its present faults."""

    seed: str
    later: Timer
    faults: Faults = field(default_factory=Faults)
    store: Store = field(default_factory=Store)
    events: EventLog = field(default_factory=lambda: EventLog(DEFAULT_EVENTS_KEPT))
    clock: Callable[[], float] = time.time
    #: Called with the events of one moment, in their order.
    announce: Callable[[Sequence[SimulatedEvent]], None] = _keep_silent
    #: How many numbers populations have used up, from EDX-1001 on.
    populated: int = 0
    _made: Counter[str] = field(default_factory=Counter)

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.clock()

    def next_id(self, prefix: str) -> str:
        """Return an identifier that this provider never gave out before."""
        self._made[prefix] += 1
        return derive(prefix, self.seed, self._made[prefix])

    def apply(self, transition: Transition, cause: Cause = _BY_ITSELF) -> Payment:
        """Let it be so: keep the payment, tell of it, and see to what follows by itself."""
        payment = transition.payment
        events = make_events(transition, cause)
        self.store.put(payment)
        self.events.add(events)
        self.announce(events)
        if transition.follow_up is not None and self.faults.follow_up_ms > 0:
            self._expect(payment.id, transition.follow_up)
        return payment

    def take_step(self, payment_id: str, name: str, cause: Cause = _BY_ITSELF) -> Payment:
        """Let the payment take the step called `name`, as steps.py lists them."""
        return self.apply(find_step(name)(self.find(payment_id), self.now()), cause)

    def find(self, payment_id: str) -> Payment:
        """Return the payment as it is now, for who changes it; raise Stripe's 404."""
        return self._found(self.store.get(payment_id), payment_id)

    def see(self, payment_id: str) -> Payment:
        """Return the payment as a reader sees it, who may lag behind; raise Stripe's 404."""
        return self._found(self.store.get(payment_id, self.seen_as_of()), payment_id)

    def see_charge(self, charge_id: str) -> tuple[Payment, Charge]:
        """Return a charge and its payment as a reader sees them; raise Stripe's 404."""
        found = self.store.get_by_charge(charge_id, self.seen_as_of())
        if found is None:
            raise missing("charge", charge_id, "id")
        return found

    def seen_as_of(self) -> float:
        """Return the moment that readers see: lag_seconds ago, or infinity for now."""
        lag = self.faults.lag_seconds
        return self.now() - lag if lag else float("inf")

    def _expect(self, payment_id: str, follow_up: FollowUp) -> None:
        """Let the bank move by itself after a while."""

        def move() -> None:
            try:
                self.take_step(payment_id, follow_up)
            except StripeError:
                # Another request was faster, or the payment is gone: nothing is left to do.
                return

        self.later(self.faults.follow_up_ms / 1000, move)

    @staticmethod
    def _found(payment: Payment | None, payment_id: str) -> Payment:
        """Return the payment, or raise Stripe's 404 if there is none."""
        if payment is None:
            raise missing("payment_intent", payment_id, "intent")
        return payment
