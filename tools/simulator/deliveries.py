"""When webhooks are sent: as late, doubled and out of order as is asked for, until acknowledged.

An event's first sending waits for its turn behind the earlier events of its payment, so that
nothing is out of order but what the faults say. Copies, events that are held back and retries go
their own way. Retries back off from `FIRST_RETRY_SECONDS`, doubling up to `LAST_RETRY_SECONDS`,
and end after `MAX_ATTEMPTS`, which is after three or four minutes (Stripe goes on for three days).
"""

import asyncio
import heapq
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from tools.simulator.errors import SimulatorError
from tools.simulator.events import SimulatedEvent
from tools.simulator.faults import Faults

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 15
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 30.0
#: With more than this waiting, new ones are not sent, and counted as overflowed.
MAX_WAITING = 100_000

#: Takes an event; returns the receiver's HTTP status, 0 if none came.
Send = Callable[[SimulatedEvent], Awaitable[int]]


class NoReceiver(SimulatorError):
    """The simulator was started without a webhook URL."""


@dataclass
class DeliveryCounts:
    """What became of the webhooks: `sent` counts attempts, the others webhooks or copies."""

    submitted: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unreachable: int = 0
    retried: int = 0
    given_up: int = 0
    duplicated: int = 0
    held_back: int = 0
    lost: int = 0
    overflowed: int = 0


@dataclass(order=True)
class _Delivery:
    """One sending to be, ordered by when it is due."""

    due: float
    order: int
    event: SimulatedEvent = field(compare=False)
    attempt: int = field(compare=False, default=1)
    #: Whether it waits for the earlier events of its payment.
    in_turn: bool = field(compare=False, default=False)


class Deliveries:
    """All webhooks under way. Runs in one event loop; `run` has to be running for any to leave."""

    def __init__(
        self,
        send: Send | None,
        faults: Callable[[], Faults],
        rng: random.Random,
        *,
        concurrency: int = 16,
    ) -> None:
        """Take how to send, where the present faults are found, and how many to send at once.

        With None there is no receiver, and events are only kept.
        """
        self.counts = DeliveryCounts()
        self._send = send
        self._faults = faults
        self._rng = rng
        self._slots = asyncio.Semaphore(concurrency)
        self._heap: list[_Delivery] = []
        # A payment's turns: the first one is in the heap or being sent, the others wait for it.
        self._turns: dict[str, deque[_Delivery]] = {}
        self._waiting = 0
        self._order = 0
        self._woken = asyncio.Event()

    def submit(self, events: Iterable[SimulatedEvent]) -> None:
        """Take events of one moment, in their order, and draw their fates."""
        if self._send is None:
            return
        faults, now = self._faults(), asyncio.get_running_loop().time()
        for event in events:
            self.counts.submitted += 1
            if self._waiting >= MAX_WAITING:
                self.counts.overflowed += 1
                continue
            if self._rng.random() < faults.lose_rate:
                self.counts.lost += 1
                continue
            held_back = self._rng.random() < faults.reorder_rate
            due = now + self._delay(faults, held_back)
            self._put(self._new(due, event, in_turn=not held_back))
            self.counts.held_back += held_back
            if self._rng.random() < faults.duplicate_rate:
                self.counts.duplicated += 1
                self._put(self._new(now + self._delay(faults, held_back=True), event))

    def resend(self, event: SimulatedEvent) -> None:
        """Send an event once more, at once, as Stripe's dashboard does on request.

        Raise NoReceiver without one.
        """
        if self._send is None:
            raise NoReceiver
        self.counts.submitted += 1
        self._put(self._new(asyncio.get_running_loop().time(), event))

    async def run(self) -> None:
        """Send what is due until cancelled; what is being sent then is cut off."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._slots.acquire()
                delivery = await self._next()
                group.create_task(self._deliver(delivery))

    def reset(self) -> None:
        """Count anew; what is under way goes on."""
        self.counts = DeliveryCounts()

    def summary(self) -> dict[str, int]:
        """Return the counts, and how many are waiting or being sent, as plain JSON data."""
        return {**asdict(self.counts), "pending": self._waiting}

    def _delay(self, faults: Faults, held_back: bool) -> float:
        """Return how many seconds a webhook is late."""
        late = faults.webhook_delay_ms + self._rng.random() * faults.webhook_jitter_ms
        if held_back:
            late += self._rng.random() * faults.reorder_ms
        return late / 1000

    def _new(
        self, due: float, event: SimulatedEvent, *, attempt: int = 1, in_turn: bool = False
    ) -> _Delivery:
        """Return a delivery, counted as waiting until it ends or a retry takes its place."""
        self._order += 1
        self._waiting += 1
        return _Delivery(due, self._order, event, attempt, in_turn)

    def _put(self, delivery: _Delivery) -> None:
        """Let the delivery wait for its time, behind its payment's earlier ones if in turn."""
        if delivery.in_turn:
            turns = self._turns.setdefault(delivery.event.payment.id, deque())
            turns.append(delivery)
            if len(turns) > 1:
                return
        heapq.heappush(self._heap, delivery)
        self._woken.set()

    async def _next(self) -> _Delivery:
        """Wait for the next delivery that is due, and return it."""
        loop = asyncio.get_running_loop()
        while True:
            if self._heap and self._heap[0].due <= loop.time():
                return heapq.heappop(self._heap)
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._heap[0].due if self._heap else None):
                    await self._woken.wait()

    async def _deliver(self, delivery: _Delivery) -> None:
        """Send once; see to it that a refusal is followed by another attempt."""
        try:
            status = await self._send(delivery.event) if self._send else 0
        finally:
            self._slots.release()
            self._waiting -= 1
        if delivery.in_turn:
            self._next_turn(delivery.event.payment.id)
        self.counts.sent += 1
        if 200 <= status < 300:
            self.counts.acknowledged += 1
            return
        self.counts.refused += status > 0
        self.counts.unreachable += status == 0
        if delivery.attempt >= MAX_ATTEMPTS:
            self.counts.given_up += 1
            log.warning("webhook.given_up event=%s status=%d", delivery.event.id, status)
            return
        self.counts.retried += 1
        backoff = min(FIRST_RETRY_SECONDS * 2 ** (delivery.attempt - 1), LAST_RETRY_SECONDS)
        due = asyncio.get_running_loop().time() + backoff * self._rng.uniform(0.5, 1.0)
        self._put(self._new(due, delivery.event, attempt=delivery.attempt + 1))

    def _next_turn(self, payment_id: str) -> None:
        """Let the payment's next event go on its way, if there is one."""
        turns = self._turns[payment_id]
        turns.popleft()
        if not turns:
            del self._turns[payment_id]
            return
        heapq.heappush(self._heap, turns[0])
        self._woken.set()
