"""Payments brought to a state of their life, for the tests of the simulator."""

from tools.simulator import lifecycle
from tools.simulator.events import Cause, SimulatedEvent, make_events
from tools.simulator.payment import Payment
from tools.simulator.steps import find_step
from tools.simulator.transition import Transition

NOW = 1_700_000_000.0
METADATA = {
    "payment_number": "EDX-1001",
    "lms_user_id": "42",
    "order_reference": "ORDER-1001",
}


def new(
    *,
    payment_id: str = "pi_test",
    amount: int = 5000,
    currency: str = "usd",
    capture: str = "automatic",
    at: float = NOW,
) -> Transition:
    """Return a payment that was just made."""
    return lifecycle.create(
        payment_id, amount, currency, at, metadata=METADATA, capture_method=capture
    )


def paid(
    card: str = "pm_card_visa",
    *,
    amount: int = 5000,
    currency: str = "usd",
    capture: str = "automatic",
) -> Transition:
    """Return a payment that was confirmed with a card."""
    made = new(amount=amount, currency=currency, capture=capture)
    return lifecycle.confirm(made.payment, NOW + 1, method=card)


def walk(payment: Payment, *steps: str) -> Transition:
    """Return what the last of the steps came to, each a second after the other."""
    transition = Transition(payment)
    for step in steps:
        transition = find_step(step)(transition.payment, transition.payment.updated_at + 1)
    return transition


def told(transition: Transition) -> list[str]:
    """Return the types of the events of a transition."""
    return [happening.type for happening in transition.happenings]


def events_of(transition: Transition) -> list[SimulatedEvent]:
    """Return the events of a transition."""
    return make_events(transition, Cause())
