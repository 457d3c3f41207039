"""The steps of a payment by name: what follows by itself, and what a developer may ask for.

POST /_simulator/advance takes these names; without one, a payment takes its natural next step.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from tools.simulator import aftermath, lifecycle
from tools.simulator.errors import invalid
from tools.simulator.payment import Payment, Status
from tools.simulator.transition import Transition

Step = Callable[[Payment, float], Transition]

#: Every FollowUp is among them.
STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "confirm": partial(lifecycle.confirm, method="pm_card_visa"),
        "authenticate": lifecycle.authenticate,
        "fail_authentication": partial(lifecycle.authenticate, passed=False),
        "finish": lifecycle.finish,
        "accept": partial(lifecycle.finish, accepted=True),
        "decline": partial(lifecycle.finish, accepted=False),
        "capture": lifecycle.capture,
        "cancel": lifecycle.cancel,
        "refund": aftermath.refund,
        "finish_refund": aftermath.finish_refund,
        "fail_refund": aftermath.fail_refund,
        "open_dispute": aftermath.open_dispute,
        "open_inquiry": partial(aftermath.open_dispute, inquiry=True),
        "answer_dispute": aftermath.answer_dispute,
        "win_dispute": partial(aftermath.close_dispute, won=True),
        "lose_dispute": partial(aftermath.close_dispute, won=False),
    }
)

_NATURAL = {
    Status.REQUIRES_PAYMENT_METHOD: "confirm",
    Status.REQUIRES_CONFIRMATION: "confirm",
    Status.REQUIRES_ACTION: "authenticate",
    Status.PROCESSING: "finish",
    Status.REQUIRES_CAPTURE: "capture",
}

#: The step that brings a dispute to a status.
_DISPUTE_STEPS = {
    "needs_response": "open_dispute",
    "warning_needs_response": "open_inquiry",
    "under_review": "answer_dispute",
    "warning_under_review": "answer_dispute",
    "won": "win_dispute",
    "lost": "lose_dispute",
    "warning_closed": "lose_dispute",
}


def find_step(name: str) -> Step:
    """Return the step called `name`, or raise a refusal that lists the names."""
    try:
        return STEPS[name]
    except KeyError:
        raise invalid(f"No such step: '{name}'; there is {', '.join(STEPS)}") from None


def natural_step(payment: Payment) -> str:
    """Return the name of the step that brings an open payment towards its end."""
    if (name := _NATURAL.get(payment.status)) is None:
        raise invalid(f"A payment that is {payment.status} goes nowhere by itself: name a step.")
    return name


def dispute_steps(payment: Payment, status: str) -> list[str]:
    """Return the names of the steps that bring the payment's dispute to `status`."""
    if (name := _DISPUTE_STEPS.get(status)) is None:
        raise invalid(f"No such dispute status: '{status}'; there is {', '.join(_DISPUTE_STEPS)}")
    charge = payment.latest_charge
    opened = charge is not None and charge.dispute is not None
    if opened or name.startswith("open_"):
        return [name]
    return ["open_inquiry" if status.startswith("warning_") else "open_dispute", name]
