"""When webhooks are sent, in virtual time: nothing here waits."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.unit.tools.simulator.virtual_time import run_virtually
from tests.unit.tools.simulator.walks import events_of, new, paid, walk
from tools.simulator import deliveries
from tools.simulator.deliveries import Deliveries
from tools.simulator.events import SimulatedEvent
from tools.simulator.faults import Faults


class Receiver:
    """Notes what it gets and when, and answers as it is told."""

    def __init__(self, answer: Callable[[int], int] = lambda _: 200, seconds: float = 0.0) -> None:
        self.got: list[tuple[float, SimulatedEvent]] = []
        self.concurrent = self.peak = 0
        self._answer = answer
        self._seconds = seconds

    async def send(self, event: SimulatedEvent) -> int:
        self.got.append((asyncio.get_running_loop().time(), event))
        status = self._answer(len(self.got))
        self.concurrent += 1
        self.peak = max(self.peak, self.concurrent)
        await asyncio.sleep(self._seconds)
        self.concurrent -= 1
        return status

    @property
    def types(self) -> list[str]:
        return [event.type for _, event in self.got]


def deliver(
    receiver: Receiver,
    *batches: list[SimulatedEvent],
    faults: Faults | None = None,
    concurrency: int = 4,
    seconds: float = 3600.0,
) -> Deliveries:
    """Submit the batches at once, and let an hour pass."""

    async def run() -> Deliveries:
        made = Deliveries(
            receiver.send,
            lambda: faults or Faults(webhook_delay_ms=0),
            random.Random("1"),
            concurrency=concurrency,
        )
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0)
        for batch in batches:
            made.submit(batch)
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return made

    return run_virtually(run())


def story() -> list[SimulatedEvent]:
    """Return all events of a payment that was declined, paid, refunded and disputed."""
    declined = paid("pm_card_visa_chargeDeclined")
    steps = ("confirm", "refund", "finish_refund", "fail_refund", "open_dispute", "win_dispute")
    events = [*events_of(new()), *events_of(declined)]
    for place in range(len(steps)):
        events += events_of(walk(declined.payment, *steps[: place + 1]))
    return events


def test_events_of_a_payment_arrive_in_order_one_after_the_other() -> None:
    receiver = Receiver(seconds=0.2)
    made = deliver(receiver, story(), faults=Faults(webhook_delay_ms=50, webhook_jitter_ms=500))
    assert [event.id for _, event in receiver.got] == [event.id for event in story()]
    assert receiver.peak == 1
    assert made.counts.acknowledged == len(story())
    assert made.summary()["pending"] == 0


def test_they_are_as_late_as_asked_for() -> None:
    receiver = Receiver()
    deliver(receiver, events_of(new()), faults=Faults(webhook_delay_ms=1500))
    assert [at for at, _ in receiver.got] == [pytest.approx(1.5)]


def test_held_back_events_are_overtaken_and_none_is_missing() -> None:
    receiver = Receiver()
    made = deliver(receiver, story(), faults=Faults(webhook_delay_ms=10, reorder_rate=0.5))
    assert receiver.types != [event.type for event in story()]
    assert sorted(receiver.types) == sorted(event.type for event in story())
    assert 0 < made.counts.held_back < len(story())


def test_copies_come_later_and_are_the_same_event() -> None:
    receiver = Receiver()
    made = deliver(receiver, story(), faults=Faults(webhook_delay_ms=10, duplicate_rate=1.0))
    ids = [event.id for _, event in receiver.got]
    assert sorted(ids) == sorted(2 * [event.id for event in story()])
    assert made.counts.duplicated == len(story())


def test_lost_events_are_never_sent() -> None:
    receiver = Receiver()
    made = deliver(receiver, story(), faults=Faults(lose_rate=1.0))
    assert receiver.got == []
    assert made.counts.lost == len(story())
    assert made.summary()["pending"] == 0


def test_a_refused_event_comes_again_later_and_later_until_it_is_taken() -> None:
    receiver = Receiver(answer=lambda n: 500 if n < 6 else 200)
    made = deliver(receiver, events_of(new()))
    times = [at for at, _ in receiver.got]
    waits = [b - a for a, b in pairwise(times)]
    assert len(waits) == 5
    for place, wait in enumerate(waits):
        longest = deliveries.FIRST_RETRY_SECONDS * 2**place
        assert longest / 2 <= wait <= longest
    assert made.counts.refused == made.counts.retried == 5
    assert made.counts.acknowledged == 1


def test_an_event_that_nobody_takes_is_given_up_in_the_end() -> None:
    receiver = Receiver(answer=lambda _: 0)
    made = deliver(receiver, events_of(new()))
    assert len(receiver.got) == deliveries.MAX_ATTEMPTS
    assert made.counts.given_up == 1
    assert made.counts.unreachable == deliveries.MAX_ATTEMPTS
    assert made.summary()["pending"] == 0


def test_a_retry_does_not_hold_up_the_events_after_it() -> None:
    receiver = Receiver(answer=lambda n: 500 if n == 1 else 200)
    events = [*events_of(new()), *events_of(paid())]
    deliver(receiver, events)
    first, *rest = [event.id for event in events]
    assert [event.id for _, event in receiver.got] == [first, *rest, first]


def test_no_more_are_sent_at_once_than_allowed() -> None:
    receiver = Receiver(seconds=1.0)
    payments = [events_of(new(payment_id=f"pi_{number}")) for number in range(20)]
    deliver(receiver, *payments, concurrency=3)
    assert receiver.peak == 3
    assert len(receiver.got) == 20


def test_a_flood_overflows_instead_of_filling_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_WAITING", 5)
    receiver = Receiver()
    made = deliver(receiver, story())
    assert len(receiver.got) == 5
    assert made.counts.overflowed == len(story()) - 5


def test_resending_sends_once_more_at_once() -> None:
    receiver = Receiver()

    async def run() -> None:
        made = Deliveries(receiver.send, Faults, random.Random("1"))
        running = asyncio.create_task(made.run())
        made.resend(events_of(new())[0])
        await asyncio.sleep(1)
        made.reset()
        assert made.summary()["submitted"] == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(run())
    assert receiver.types == ["payment_intent.created"]
