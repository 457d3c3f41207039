"""The simulator's webhooks arrive, signed, at a receiver that checks them with Stripe's library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.simulator_process import (
    QUICK,
    SECRET,
    Receiver,
    RunningSimulator,
    running_receiver,
    running_simulator,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield somebody who receives webhooks, and see that no signature was wrong."""
    with running_receiver() as receiver:
        yield receiver
        assert receiver.refusals == []


@pytest.fixture
def simulator(receiver: Receiver) -> Iterator[RunningSimulator]:
    """Yield a simulator that sends its webhooks to the receiver."""
    with running_simulator(
        *QUICK, "--webhook-url", receiver.url, "--webhook-secret", SECRET
    ) as simulator:
        yield simulator


def test_every_event_arrives_once_and_in_order_on_an_ordinary_day(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    intent = simulator.paid()
    simulator.shopper.v1.refunds.create({"payment_intent": intent.id})
    for step in ("finish_refund", "fail_refund", "open_dispute", "answer_dispute", "win_dispute"):
        simulator.control("POST", "advance", {"payment_intent": intent.id, "step": step})
    kept = list(simulator.service.v1.events.list({"limit": 100}).auto_paging_iter())
    events = receiver.wait_for(len(kept))
    assert [event.id for event in events] == [event.id for event in reversed(kept)]
    assert [event.type for event in events] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
        "refund.updated",
        "charge.refund.updated",
        "refund.updated",
        "refund.failed",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    charge = events[1].data.object
    assert charge.metadata.to_dict() == intent.metadata.to_dict()
    assert not events[0].livemode


def test_an_event_names_the_request_that_caused_it(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    intent = simulator.made()
    made = receiver.wait_for(1)[0]
    assert intent.last_response is not None
    assert made.request is not None
    assert made.request.id == intent.last_response.request_id


def test_a_refused_event_is_sent_again_until_it_is_taken(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    receiver.answer = lambda n: 500 if n <= 2 else 200
    intent = simulator.made()
    assert receiver.wait_for(1)[0].data.object.id == intent.id
    webhooks = simulator.stats()["webhooks"]
    assert (webhooks["sent"], webhooks["refused"], webhooks["retried"]) == (3, 2, 2)


def test_copies_and_latecomers_are_all_there_in_the_end(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    simulator.configure(duplicate_rate=0.5, reorder_rate=0.5, reorder_ms=300)
    for _ in range(20):
        simulator.paid()
    webhooks = simulator.stats()["webhooks"]
    events = receiver.wait_for(60 + webhooks["duplicated"])
    kept = list(simulator.service.v1.events.list({"limit": 100}).auto_paging_iter())
    arrived = [event.id for event in events]
    assert set(arrived) == {event.id for event in kept}
    assert len(arrived) > len(kept) == 60
    first_times = list(dict.fromkeys(arrived))
    assert first_times != [event.id for event in reversed(kept)]


def test_a_lost_event_can_be_asked_for_again(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    simulator.configure(lose_rate=1)
    lost = simulator.made()
    simulator.configure(lose_rate=0)
    arrived = simulator.made()
    assert receiver.wait_for(1)[0].data.object.id == arrived.id
    event = simulator.service.v1.events.list({"limit": 2}).data[1]
    assert event.data.object.id == lost.id
    simulator.control("POST", "resend", {"event": event.id})
    assert receiver.wait_for(2)[1].id == event.id
    webhooks = simulator.stats()["webhooks"]
    assert (webhooks["lost"], webhooks["acknowledged"], webhooks["pending"]) == (1, 2, 0)


def test_an_event_waits_for_a_receiver_that_is_down() -> None:
    with running_receiver() as receiver:
        gone = receiver.url
    with running_simulator(*QUICK, "--webhook-url", gone, "--webhook-secret", SECRET) as simulator:
        simulator.made()
        stats = simulator.wait_until(lambda stats: stats["webhooks"]["unreachable"] > 0)
        assert stats["webhooks"]["pending"] == 1


def test_without_a_receiver_events_are_only_kept() -> None:
    with running_simulator(*QUICK) as simulator:
        intent = simulator.made()
        event = simulator.service.v1.events.list().data[0]
        assert event.data.object.id == intent.id
        assert simulator.ask("POST", "/_simulator/resend", body={"event": event.id}).status == 400
        webhooks = simulator.stats()["webhooks"]
        assert (webhooks["submitted"], webhooks["pending"]) == (0, 0)


def test_payments_of_long_ago_can_be_announced(
    simulator: RunningSimulator, receiver: Receiver
) -> None:
    wanted = {"count": 5, "state": "succeeded", "announce": True}
    made = simulator.control("POST", "payments", wanted)["payments"]
    events = receiver.wait_for(simulator.stats()["webhooks"]["submitted"])
    paid = {event.data.object.id for event in events if event.type == "payment_intent.succeeded"}
    assert paid == {payment["id"] for payment in made}
