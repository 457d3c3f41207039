"""Events: told in order, the same for the same seed, and forgotten in the end."""

import pytest

from tests.unit.tools.simulator.walks import events_of, new, paid, walk
from tools.simulator.events import Cause, EventLog, make_events, show_event


def test_an_event_shows_the_payment_as_it_was() -> None:
    made, confirmed = new(), paid()
    created, succeeded = events_of(made)[0], events_of(confirmed)[-1]
    assert show_event(created)["data"]["object"]["status"] == "requires_payment_method"
    assert show_event(succeeded)["data"]["object"]["status"] == "succeeded"


def test_an_event_happens_in_a_whole_second() -> None:
    event = events_of(new(at=1_700_000_000.9))[0]
    assert show_event(event)["created"] == 1_700_000_000


def test_previous_attributes_say_what_changed_and_only_that() -> None:
    refunded = walk(paid().payment, "refund")
    created, charge = map(show_event, events_of(refunded))
    assert "previous_attributes" not in created["data"]
    assert charge["data"]["previous_attributes"] == {"amount_refunded": 0, "refunded": False}

    closed = walk(paid().payment, "open_dispute", "lose_dispute")
    dispute = show_event(events_of(closed)[-1])
    assert dispute["data"]["previous_attributes"] == {"status": "needs_response"}


def test_previous_attributes_go_into_objects() -> None:
    done = walk(paid().payment, "refund", "finish_refund")
    previous = show_event(events_of(done)[0])["data"]["previous_attributes"]
    assert previous["destination_details"]["card"]["reference_status"] == "pending"
    assert "type" not in previous["destination_details"]["card"]


def test_the_same_change_has_the_same_identifiers_and_no_other_has() -> None:
    once, again, other = events_of(paid()), events_of(paid()), events_of(new())
    assert [event.id for event in once] == [event.id for event in again]
    assert len({event.id for event in [*once, *other]}) == len(once) + len(other)


def test_an_event_names_the_request_that_it_comes_from() -> None:
    event = make_events(new(), Cause("req_1", "key"))[0]
    assert show_event(event)["request"] == {"id": "req_1", "idempotency_key": "key"}


def test_the_log_forgets_the_oldest_and_finds_the_rest() -> None:
    log = EventLog(3)
    events = [*events_of(new()), *events_of(paid()), *events_of(walk(paid().payment, "refund"))]
    log.add(events)
    assert [event.id for event in log.newest_first()] == [event.id for event in events[:1:-1]]
    assert log.find(events[0].id) is None
    assert log.find(events[-1].id) is events[-1]


@pytest.mark.parametrize("limit", [2, 10])
def test_what_happened_long_ago_is_put_in_its_place(limit: int) -> None:
    log = EventLog(limit)
    late, early = events_of(new(at=2000.0)), events_of(new(at=1000.0))
    log.add(late)
    log.insert(early)
    assert [event.created for event in log.newest_first()] == [2000, 1000]
    log.add(events_of(new(at=3000.0)))
    assert len(log) == min(limit, 3)
