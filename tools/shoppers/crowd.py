"""All shoppers and the staff, for as long as the shop is open."""

import asyncio
import itertools
import random
from contextlib import suppress

import aiohttp

from tools.shoppers.checkout import Checkout
from tools.shoppers.people import FIRST_STAFF_ID, Credential, Person
from tools.shoppers.plan import Plan, Summary, Visits
from tools.shoppers.popular import Popular
from tools.shoppers.reading import BeforeRead, OnRead, Reader
from tools.shoppers.visit import Shop, Visit
from tools.simulator.clients import DEFAULT_SHOPPER_KEY


class Shoppers:
    """People who pay at the simulator and look at their payments at our API."""

    def __init__(
        self,
        *,
        simulator: str,
        api: str,
        credential: Credential,
        plan: Plan | None = None,
        shopper_key: str = DEFAULT_SHOPPER_KEY,
        on_before_read: BeforeRead | None = None,
        on_read: OnRead | None = None,
    ) -> None:
        """Take the two addresses, who vouches for a person to our API, and who is told of reads."""
        self.plan = plan or Plan()
        self._simulator = simulator
        self._api = api
        self._credential = credential
        self._shopper_key = shopper_key
        self._on_before_read = on_before_read
        self._on_read = on_read

    async def run(self, stop: asyncio.Event) -> Summary:
        """Let people come until `stop` is set, then end all visits at once.

        Return what they did. What a hook raises ends the day early, and is raised in a group.
        """
        connector = aiohttp.TCPConnector(limit=self.plan.connections)
        # People don't share their cookies.
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            shop = self._open(session)
            day = asyncio.create_task(self._day(shop))
            end = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({day, end}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                day.cancel()
                end.cancel()
                with suppress(asyncio.CancelledError):
                    await day
            return Summary(shop.visits, dict(shop.reader.outcomes))

    def _open(self, session: aiohttp.ClientSession) -> Shop:
        """Return the shop, empty."""
        return Shop(
            plan=self.plan,
            checkout=Checkout(session, self._simulator, self._shopper_key),
            reader=Reader(
                session,
                self._api,
                self._credential,
                on_before_read=self._on_before_read,
                on_read=self._on_read,
            ),
            popular=Popular(),
            visits=Visits(),
            rng=random.Random(f"{self.plan.seed}:shoppers"),
        )

    async def _day(self, shop: Shop) -> None:
        """Let shoppers come and staff do their work, for ever."""
        async with asyncio.TaskGroup() as group:
            for place in range(self.plan.staff if self.plan.staff_reads > 0 else 0):
                person = Person(FIRST_STAFF_ID + place, is_staff=True)
                group.create_task(self._work(shop, person))
            inside: set[asyncio.Task[None]] = set()
            for number in itertools.count(self.plan.first_number):
                await asyncio.sleep(shop.rng.expovariate(self.plan.rate))
                while len(inside) >= self.plan.shoppers:
                    shop.visits.turned_away += 1
                    await asyncio.sleep(shop.rng.expovariate(self.plan.rate))
                visit = group.create_task(Visit(shop, f"{self.plan.prefix}{number}").run())
                inside.add(visit)
                visit.add_done_callback(inside.discard)

    async def _work(self, shop: Shop, person: Person) -> None:
        """Look at what others paid lately, as far as anybody has seen it arrive."""
        while True:
            await asyncio.sleep(shop.rng.expovariate(self.plan.staff_reads / self.plan.staff))
            number = shop.popular.pick(shop.rng)
            if number is not None and shop.reader.knows(number):
                await shop.reader.read(number, person)
