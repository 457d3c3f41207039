"""One shopper's visit: they make a payment, pay it or don't, and look at it again and again.

The mix is that of an ordinary day: most pay at once; some are declined and try again, have to
authenticate, wait for their bank, or give up; a few get their money back or dispute the payment.
"""

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass

from tools.shoppers.checkout import Checkout, CheckoutFailed
from tools.shoppers.people import Person
from tools.shoppers.plan import Plan, Visits
from tools.shoppers.popular import Popular
from tools.shoppers.reading import Reader, ReadingOutcome
from tools.simulator.population import draw_price

_ANY = frozenset[str]()
_DECLINES = (
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedExpiredCard",
    "pm_card_chargeDeclinedIncorrectCvc",
)
_CARDS = {
    "pm_card_visa": 60,
    "pm_card_mastercard": 16,
    "pm_card_threeDSecure2Required": 12,
    "pm_card_processing": 8,
    "pm_card_processingDeclined": 2,
    "pm_card_refundFail": 2,
}
_GIVES_UP = 0.10
_IS_DECLINED_FIRST = 0.15
_FAILS_AUTHENTICATION = 0.15
_GETS_REFUND = 0.10
_DISPUTES = 0.04
_IS_SPIED_ON = 0.05


@dataclass
class Shop:
    """What all visits share."""

    plan: Plan
    checkout: Checkout
    reader: Reader
    popular: Popular
    visits: Visits
    rng: random.Random


class Visit:
    """One shopper with one payment."""

    def __init__(self, shop: Shop, number: str) -> None:
        """Start a visit; `number` is the one that the shop gives their payment."""
        self._shop = shop
        self._number = number
        self._rng = shop.rng
        self._shopper = Person(shop.rng.randint(1, shop.plan.users))
        self._payment_id = ""

    async def run(self) -> None:
        """Go through the visit. If the provider fails, the shopper leaves."""
        try:
            await self._run()
        except CheckoutFailed:
            self._shop.visits.checkout_failed += 1
        else:
            self._shop.visits.finished += 1

    async def _run(self) -> None:
        """Make a payment and see how it goes."""
        amount, currency = draw_price(self._rng)
        self._payment_id = await self._shop.checkout.create(
            self._number, self._shopper.lms_user_id, amount, currency, f"ORDER-{self._number}"
        )
        self._shop.visits.created += 1
        self._happened()
        await self._watch(_ANY)
        await self._think()
        if self._rng.random() < _GIVES_UP:
            await self._give_up()
            return
        if self._rng.random() < _IS_DECLINED_FIRST:
            await self._be_declined()
        await self._pay()
        await self._look_around()
        if self._rng.random() < _GETS_REFUND:
            await self._get_refund(amount)
        elif self._rng.random() < _DISPUTES:
            await self._dispute()

    async def _give_up(self) -> None:
        """Leave without paying."""
        await self._shop.checkout.give_up(self._payment_id)
        self._shop.visits.given_up += 1
        self._happened()
        await self._watch({"canceled"})

    async def _be_declined(self) -> None:
        """Try a card that is of no use: the payment enters the state that it is in once more."""
        await self._shop.checkout.pay(self._payment_id, self._rng.choice(_DECLINES))
        self._shop.visits.declined += 1
        self._happened()
        await self._watch({"requires_payment_method"})
        await self._think()

    async def _pay(self) -> None:
        """Pay, with as many steps as the card takes, and see that it arrived."""
        card = self._rng.choices([*_CARDS], [*_CARDS.values()])[0]
        status = await self._shop.checkout.pay(self._payment_id, card)
        self._happened()
        if status == "requires_action":
            await self._authenticate()
        elif status == "processing" and not await self._wait_for_bank():
            self._shop.visits.declined += 1
            await self._shop.checkout.pay(self._payment_id, "pm_card_visa")
            self._happened()
        self._shop.visits.paid += 1
        await self._watch({"succeeded"})

    async def _authenticate(self) -> None:
        """Answer the bank's question, perhaps wrongly at first."""
        await self._watch({"requires_action"})
        await self._think()
        if self._rng.random() < _FAILS_AUTHENTICATION:
            await self._shop.checkout.take_step(self._payment_id, "fail_authentication")
            self._happened()
            await self._watch({"requires_payment_method"})
            await self._shop.checkout.pay(self._payment_id, "pm_card_visa")
        else:
            await self._shop.checkout.take_step(self._payment_id, "authenticate")
        self._shop.visits.authenticated += 1
        self._happened()

    async def _wait_for_bank(self) -> bool:
        """Look at the payment until the bank is done; return False if it declined."""
        until = self._deadline()
        while (status := await self._shop.checkout.status(self._payment_id)) == "processing":
            if asyncio.get_running_loop().time() >= until:
                raise CheckoutFailed("the bank took too long")
            await self._shop.reader.read(self._number, self._shopper)
            await self._pause(self._shop.plan.poll_seconds)
        self._happened()
        return status == "succeeded"

    async def _look_around(self) -> None:
        """Look at the receipt now and then; another user may try to as well."""
        if self._rng.random() < _IS_SPIED_ON:
            stranger = Person(self._shop.plan.users + 1 + self._rng.randrange(10))
            await self._shop.reader.read(self._number, stranger, is_stranger=True)
        for _ in range(self._rng.randint(1, 4)):
            await self._think()
            await self._shop.reader.read(self._number, self._shopper)

    async def _get_refund(self, amount: int) -> None:
        """Get all or a part of the money back."""
        part = self._rng.choice((None, max(1, amount // 3)))
        await self._shop.checkout.refund(self._payment_id, part)
        self._shop.visits.refunded += 1
        self._happened()
        await self._watch({"refunded", "partially_refunded"})

    async def _dispute(self) -> None:
        """Complain at the bank, which decides sooner than any bank does."""
        await self._shop.checkout.take_step(self._payment_id, "open_dispute")
        self._shop.visits.disputed += 1
        self._happened()
        await self._watch({"disputed"})
        await self._think()
        won = self._rng.random() < 0.5
        await self._shop.checkout.take_step(
            self._payment_id, "win_dispute" if won else "lose_dispute"
        )
        self._happened()
        await self._watch({"succeeded" if won else "dispute_lost"})

    async def _watch(self, states: Collection[str]) -> None:
        """Look at the payment until it is in one of the states (any, if none is named)."""
        until = self._deadline()
        while True:
            reading = await self._shop.reader.read(self._number, self._shopper)
            if reading.outcome is ReadingOutcome.FOUND and (not states or reading.state in states):
                return
            if asyncio.get_running_loop().time() >= until:
                self._shop.visits.impatient += 1
                return
            await self._pause(self._shop.plan.poll_seconds)

    def _deadline(self) -> float:
        """Return when patience ends, by the event loop's clock."""
        return asyncio.get_running_loop().time() + self._shop.plan.patience_seconds

    async def _think(self) -> None:
        """Let some time pass."""
        await self._pause(self._shop.plan.think_seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait for about so long."""
        await asyncio.sleep(seconds * self._rng.uniform(0.5, 1.5))

    def _happened(self) -> None:
        """Announce that something happened to the payment."""
        self._shop.popular.touch(self._number)
