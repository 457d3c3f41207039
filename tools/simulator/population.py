"""Payments that were there before anybody looked: many at once, the same for the same seed.

Each went through the lifecycle as a live one does, only some time ago and, as a rule, without
webhooks. That is what a service has that starts to use the coordinator, and what a backfill is for.
"""

import random
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from tools.simulator import aftermath, lifecycle
from tools.simulator.errors import invalid
from tools.simulator.events import Cause, SimulatedEvent, make_events
from tools.simulator.identifiers import derive
from tools.simulator.payment import Payment
from tools.simulator.provider import Provider
from tools.simulator.steps import STEPS, Step
from tools.simulator.transition import Transition

DEFAULT_SPREAD_SECONDS = 30 * 24 * 3600.0
_CHUNK = 2_000
_BY_ITSELF = Cause()


class Population(Struct, frozen=True, forbid_unknown_fields=True):
    """How many payments to make, and what they are like.

    Their numbers go on from the last population's unless `first_number` says where to start. They
    were made within `spread_seconds` before `until` (seconds since the epoch; now by default).
    `state` lets all of them end in one state, a word of the REST interface; `announce` sends the
    webhooks of what happened to them.
    """

    count: Annotated[int, Meta(ge=1)]
    first_number: Annotated[int, Meta(ge=1)] | None = None
    prefix: str = "EDX-"
    users: Annotated[int, Meta(ge=1)] = 1000
    spread_seconds: Annotated[float, Meta(ge=0)] = DEFAULT_SPREAD_SECONDS
    until: float | None = None
    state: str | None = None
    announce: bool = False


class _Story(Struct, frozen=True):
    """What happened to a payment after it was made, and how often that is so."""

    state: str
    weight: int
    steps: tuple[Step, ...]


def _pay(card: str) -> Step:
    """Return the step of paying with a test card."""
    return partial(lifecycle.confirm, method=f"pm_card_{card}")


def _refund_quarter(payment: Payment, now: float) -> Transition:
    """Refund a part."""
    return aftermath.refund(payment, now, max(1, payment.amount // 4))


_PAID = _pay("visa")
_DECLINED = _pay("visa_chargeDeclined")
_DISPUTED = (_PAID, STEPS["open_dispute"])
_STORIES = (
    _Story("requires_payment_method", 4, ()),
    _Story("requires_payment_method", 4, (_DECLINED,)),
    _Story("requires_action", 2, (_pay("threeDSecure2Required"),)),
    _Story("processing", 2, (_pay("processing"),)),
    _Story("succeeded", 54, (_PAID,)),
    _Story("succeeded", 8, (_DECLINED, _PAID)),
    _Story("succeeded", 2, (*_DISPUTED, STEPS["win_dispute"])),
    _Story("canceled", 12, (lifecycle.cancel,)),
    _Story("partially_refunded", 3, (_PAID, _refund_quarter)),
    _Story("refunded", 5, (_PAID, aftermath.refund, STEPS["finish_refund"])),
    _Story("disputed", 2, _DISPUTED),
    _Story("dispute_lost", 2, (*_DISPUTED, STEPS["lose_dispute"])),
)
#: Amounts in minor units: the yen has none, so its amounts are whole.
_AMOUNTS = {"usd": (900, 60_000), "eur": (900, 55_000), "gbp": (800, 50_000), "jpy": (90, 60_000)}
_CURRENCIES = ("usd", "usd", "usd", "eur", "eur", "gbp", "jpy")


def draw_price(rng: random.Random) -> tuple[int, str]:
    """Return an amount in minor units and its currency, as a shop has them."""
    currency = rng.choice(_CURRENCIES)
    return rng.randint(*_AMOUNTS[currency]), currency


def populate(provider: Provider, wanted: Population) -> Iterator[list[Payment]]:
    """Make the payments and give them to the provider, yielding them in portions as they are made.

    Raise Stripe's 400 if they don't fit, or are there already.
    """
    stories = [story for story in _STORIES if wanted.state in (None, story.state)]
    if not stories:
        states = ", ".join(dict.fromkeys(story.state for story in _STORIES))
        raise invalid(f"No such state: '{wanted.state}'; there is {states}", param="state")
    if len(provider.store) + wanted.count > provider.store.limit:
        raise invalid(f"The simulator keeps at most {provider.store.limit} payments.")
    first = wanted.first_number or provider.populated + 1001
    provider.populated = max(provider.populated, first - 1001 + wanted.count)
    until = provider.now() if wanted.until is None else wanted.until
    rng = random.Random(f"{provider.seed}:{first}")
    weights = [story.weight for story in stories]
    recent: deque[SimulatedEvent] = deque(maxlen=provider.events.limit)
    for start in range(0, wanted.count, _CHUNK):
        made = []
        for place in range(start, min(start + _CHUNK, wanted.count)):
            created_at = until - wanted.spread_seconds * (1 - place / wanted.count)
            story = rng.choices(stories, weights)[0]
            payment, events = _live(provider.seed, wanted, first + place, created_at, story, rng)
            made.append(payment)
            recent.extend(events)
            if wanted.announce:
                provider.announce(events)
        if provider.store.get(made[0].id) is not None:
            raise invalid(f"{made[0].number} is there already.", param="first_number")
        provider.store.put_many(made)
        yield made
    provider.events.insert(recent)


def _live(
    seed: str,
    wanted: Population,
    number: int,
    created_at: float,
    story: _Story,
    rng: random.Random,
) -> tuple[Payment, list[SimulatedEvent]]:
    """Return a payment at the end of its story, and all that happened on the way."""
    amount, currency = draw_price(rng)
    now = created_at
    transition = lifecycle.create(
        derive("pi", seed, "population", wanted.prefix, number),
        amount,
        currency,
        now,
        metadata={
            "payment_number": f"{wanted.prefix}{number}",
            "lms_user_id": str(rng.randint(1, wanted.users)),
            "order_reference": f"ORDER-{number}",
        },
    )
    events = make_events(transition, _BY_ITSELF)
    for step in story.steps:
        now += rng.uniform(1, 60)
        transition = step(transition.payment, now)
        events += make_events(transition, _BY_ITSELF)
    return transition.payment, events
