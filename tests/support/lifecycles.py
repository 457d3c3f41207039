"""Payments that live in the simulator's books: their events, and what a load says of them."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from coordinator.errors import CoordinatorError
from coordinator.payments.providers.base import Found
from coordinator.payments.providers.stripe_description import describe
from coordinator.payments.providers.stripe_objects import (
    DisputeObject,
    IntentObject,
    RefundObject,
)
from coordinator.upstream.errors import UpstreamNotFound
from tools.simulator import aftermath, lifecycle
from tools.simulator.cards import CARDS
from tools.simulator.errors import StripeError
from tools.simulator.events import Cause, SimulatedEvent, make_events, show_event
from tools.simulator.payloads import show_dispute, show_intent, show_refund
from tools.simulator.payment import Payment
from tools.simulator.steps import STEPS, Step

_numbers = itertools.count(1)

#: Everything that can happen to a payment, by name: the simulator's own steps, with each card.
EVERY_STEP: dict[str, Step] = {
    **STEPS,
    **{f"pay with {card}": partial(lifecycle.confirm, method=card) for card in CARDS},
    "refund a part": partial(aftermath.refund, amount=100),
    "capture a part": partial(lifecycle.capture, amount=3000),
}


@dataclass
class Life:
    """One payment, from its creation to its newest version, with the events about it."""

    number: str
    versions: list[Payment] = field(default_factory=list)
    events: list[SimulatedEvent] = field(default_factory=list)

    @property
    def now(self) -> Payment:
        """Return the payment as it is."""
        return self.versions[-1]

    def bodies(self) -> list[bytes]:
        """Return the bodies of the webhooks, in Stripe's order."""
        return [body_of(event) for event in self.events]


def live(
    steps: Iterable[tuple[str, float]],
    *,
    began: float = 1_700_000_000.0,
    capture_method: str = "automatic",
    method: str | None = None,
    number: str = "",
) -> Life:
    """Return a payment after these steps, each so many seconds after the one before.

    A step that the payment's status does not allow is left out.
    """
    life = Life(number or f"EDX-{next(_numbers)}")
    now = began
    made = lifecycle.create(
        f"pi_{life.number.replace('-', '')}",
        4900,
        "usd",
        now,
        metadata={
            "payment_number": life.number,
            "lms_user_id": "42",
            "order_reference": f"ORDER-{life.number}",
        },
        capture_method=capture_method,
        method=method,
    )
    life.versions.append(made.payment)
    life.events += make_events(made, Cause())
    for name, seconds in steps:
        now += seconds
        try:
            transition = EVERY_STEP[name](life.now, now)
        except StripeError:
            continue
        life.versions.append(transition.payment)
        life.events += make_events(transition, Cause())
    return life


def body_of(event: SimulatedEvent) -> bytes:
    """Return the event as the body of a webhook."""
    return json.dumps(show_event(event)).encode()


def loaded(payment: Payment) -> Found:
    """Return what a load of the payment says, as `StripeProvider.fetch` puts it together."""
    shown = show_intent(payment, ("latest_charge", "latest_charge.refunds"))
    charge = payment.latest_charge
    refunds: Sequence[Any] = ()
    disputes: Sequence[Any] = ()
    if charge is not None:
        refunds = [show_refund(payment, charge, refund) for refund in charge.refunds[::-1]]
        if charge.dispute is not None:
            disputes = [show_dispute(payment, charge, charge.dispute)]
    return describe(
        msgspec.convert(shown, IntentObject),
        msgspec.convert(refunds, list[RefundObject]),
        msgspec.convert(disputes, list[DisputeObject]),
    )


class Books:
    """A provider's reads, from lives; counts them."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.calls: list[str] = []

    def keep(self, life: Life) -> None:
        """Answer for this life from now on."""
        self.lives[life.now.id] = life

    def fetch(self, upstream_id: str) -> Found:
        """Return what a load of this payment says now."""
        self.calls.append(upstream_id)
        if upstream_id not in self.lives:
            error: CoordinatorError = UpstreamNotFound(upstream_id)
            raise error
        return loaded(self.lives[upstream_id].now)


@dataclass(frozen=True)
class Course:
    """The steps of a life, and how its payment is made."""

    steps: list[tuple[str, float]]
    how: dict[str, Any]


_AFTERMATHS: tuple[tuple[str, ...], ...] = (
    (),
    ("cancel",),
    ("authenticate", "refund"),
    ("fail_authentication", "pay with pm_card_visa", "capture"),
    ("finish", "capture a part", "refund a part", "refund"),
    ("decline", "pay with pm_card_visa", "capture", "open_inquiry", "lose_dispute"),
    ("capture", "refund a part", "finish_refund", "open_dispute", "win_dispute", "refund"),
    ("capture", "open_dispute", "answer_dispute", "lose_dispute"),
    ("pay with pm_card_visa_chargeDeclined", "pay with pm_card_visa", "capture", "refund"),
    ("refund", "fail_refund", "refund a part"),
)


def courses() -> Iterator[tuple[str, Course]]:
    """Yield a course for each card and each way on from there, named by what happens."""
    for capture, card in itertools.product(("automatic", "manual"), CARDS):
        paid = (f"pay with {card}", 20.0)
        for aftermath_of in _AFTERMATHS:
            steps = [paid, *((name, 20.0) for name in aftermath_of)]
            name = f"{capture}, {card}, {', '.join(aftermath_of)}"
            yield name, Course(steps, {"capture_method": capture})
