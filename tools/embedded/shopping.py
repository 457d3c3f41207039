"""The shoppers, on an event loop in a thread of its own, with the oracle at their side."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings
from django.db import connections

from coordinator.payments.models import Payment
from tools.report.answers import read_answer
from tools.report.measuring import Measurements
from tools.report.oracle import Committed, Ledger
from tools.report.troubles import Troubles
from tools.shoppers import (
    Credential,
    Plan,
    Reading,
    ReadingOutcome,
    Shoppers,
    token_credential,
)


def credential() -> Credential:
    """Return who vouches for people: the LMS, with the development key."""
    return token_credential(
        settings.JWT_AUTH["JWT_SECRET_KEY"],
        issuer=settings.JWT_AUTH["JWT_ISSUER"],
        audience=settings.JWT_AUTH["JWT_AUDIENCE"],
    )


def committed(number: str) -> Committed | None:
    """Return what the ledger says of a payment now, by this thread's own connection."""
    row = Payment.objects.filter(number=number).values_list("state", "revision").first()
    return None if row is None else Committed(*row)


class Party:
    """The shoppers of one run, whose readings `on_read` is told, each with what the ledger said.

    `troubles` hears of it if something ends their day too early.
    """

    def __init__(
        self,
        *,
        api: str,
        simulator: str,
        shopper_key: str,
        plan: Plan,
        on_read: Callable[[Reading], None],
        troubles: Troubles,
        ledger: Ledger = committed,
    ) -> None:
        self._troubles = troubles
        self._ledger = ledger
        # One thread, so one connection, which no reader and no worker shares.
        self._oracle = ThreadPoolExecutor(1, thread_name_prefix="oracle")
        self._shoppers = Shoppers(
            simulator=simulator,
            api=api,
            credential=credential(),
            plan=plan,
            shopper_key=shopper_key,
            on_before_read=self._ask_ledger,
            on_read=on_read,
        )

    @contextmanager
    def shopping(self) -> Iterator[None]:
        """Let people come for as long as the block takes; at its end all are sent home at once."""
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()
        thread = threading.Thread(target=self._shop, args=(loop, stop), name="shoppers")
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()
            self._oracle.submit(connections.close_all)
            self._oracle.shutdown()

    def _shop(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._shoppers.run(stop))
        except Exception as error:  # noqa: BLE001  # whatever ended the traffic must be seen
            self._troubles.add("shoppers", f"the shoppers went home: {error!r}")

    async def _ask_ledger(self, number: str) -> Committed | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._oracle, self._ledger, number)


def telling(measurements: Measurements) -> Callable[[Reading], None]:
    """Return what tells the measurements of a reading."""

    def add(reading: Reading) -> None:
        if reading.outcome is ReadingOutcome.CONCEALED:
            # A stranger got what strangers get.
            return
        if reading.outcome is ReadingOutcome.LEAKED:
            measurements.troubles.add("leaks", f"{reading.number} was shown to a stranger")
            return
        answer = read_answer(reading.status, reading.headers, reading.body_bytes)
        measurements.reads.add(reading.number, reading.token, answer, reading.seconds * 1000)

    return add
