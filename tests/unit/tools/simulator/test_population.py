"""Populations: the same for the same seed, in every state, and never too many."""

from itertools import pairwise
from typing import Any

import pytest

from tests.unit.tools.simulator.walks import NOW
from tools.simulator.errors import StripeError
from tools.simulator.events import EventLog, SimulatedEvent
from tools.simulator.payment import Payment
from tools.simulator.population import Population, populate
from tools.simulator.provider import Provider
from tools.simulator.rest_api import flat_status
from tools.simulator.store import Store


def provider(seed: str = "1", *, limit: int = 10_000, events: int = 100) -> Provider:
    return Provider(
        seed=seed,
        later=lambda _seconds, _callback: None,
        store=Store(limit),
        events=EventLog(events),
        clock=lambda: NOW,
    )


def made(seed: str, **wanted: Any) -> list[Payment]:
    portions = populate(provider(seed), Population(**wanted))
    return [payment for portion in portions for payment in portion]


def test_the_same_seed_gives_the_same_payments_and_another_gives_others() -> None:
    assert made("1", count=300) == made("1", count=300)
    assert {each.id for each in made("1", count=300)}.isdisjoint(
        each.id for each in made("2", count=300)
    )


def test_payments_are_numbered_owned_and_of_every_state() -> None:
    payments = made("1", count=3000, users=5)
    assert [each.number for each in payments] == [f"EDX-{1001 + n}" for n in range(3000)]
    assert {each.metadata["lms_user_id"] for each in payments} == {"1", "2", "3", "4", "5"}
    assert {flat_status(each) for each in payments} == {
        "requires_payment_method",
        "requires_action",
        "processing",
        "succeeded",
        "canceled",
        "partially_refunded",
        "refunded",
        "disputed",
        "dispute_lost",
    }
    assert {each.currency for each in payments} == {"usd", "eur", "gbp", "jpy"}


@pytest.mark.parametrize("state", ["succeeded", "refunded", "disputed", "requires_action"])
def test_all_may_be_in_one_state(state: str) -> None:
    assert {flat_status(each) for each in made("1", count=40, state=state)} == {state}


def test_they_were_made_before_now_and_spread_over_the_time_asked_for() -> None:
    payments = made("1", count=100, spread_seconds=1000)
    assert payments[0].created_at == NOW - 1000
    assert all(a.created_at < b.created_at < NOW for a, b in pairwise(payments))


def test_numbers_go_on_where_the_last_population_ended() -> None:
    held = provider()
    for _ in range(2):
        last = [*populate(held, Population(count=10))][-1]
    assert last[0].number == "EDX-1011"
    with pytest.raises(StripeError, match="there already"):
        list(populate(held, Population(count=5, first_number=1003)))


def test_more_than_the_store_keeps_are_refused() -> None:
    held = provider(limit=10)
    with pytest.raises(StripeError, match="at most 10"):
        list(populate(held, Population(count=11)))


def test_a_state_that_nobody_knows_is_refused() -> None:
    with pytest.raises(StripeError, match="No such state"):
        made("1", count=1, state="rich")


def test_their_events_are_kept_in_order_and_sent_only_on_request() -> None:
    quiet, loud = provider(), provider()
    told: list[SimulatedEvent] = []
    loud.announce = told.extend
    list(populate(quiet, Population(count=200)))
    list(populate(loud, Population(count=200, announce=True)))
    times = [event.created for event in quiet.events.newest_first()]
    assert len(times) == 100
    assert times == sorted(times, reverse=True)
    assert len(told) > 200
