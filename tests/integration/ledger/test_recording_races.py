"""Several record at once: each event counts once, revisions are never reused, the newest wins."""

import itertools
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.core import pointer
from coordinator.core.pointer import Current
from coordinator.ledger.models import Change
from coordinator.ledger.recording import (
    Event,
    IdentifierTaken,
    Recorded,
    Recording,
    record_change,
)
from coordinator.payments.models import Payment
from tests.support.payments import event, payment, record
from tests.support.threads import Running, at_once

pytestmark = pytest.mark.usefixtures("each_ledger")

_numbers = itertools.count(1)


def record_at_once(*events: Event) -> list[Recorded | BaseException]:
    return at_once([lambda one=one: record_change(Payment, one) for one in events])  # type: ignore[misc]  # bound early


def outcomes(results: list[Recorded | BaseException]) -> list[str]:
    """Return the outcomes, and whatever was raised, in an order that does not matter."""
    return sorted(
        (one.outcome.value if isinstance(one, Recorded) else type(one).__name__) for one in results
    )


def test_one_event_delivered_many_times_at_once_is_recorded_once() -> None:
    record("processing", at=1)
    results = record_at_once(*[event("succeeded", at=2, event_id="evt_same")] * 8)
    assert outcomes(results) == ["applied"] + ["duplicate"] * 7
    assert (payment().revision, Change.objects.count()) == (2, 2)


def test_a_first_event_delivered_many_times_at_once_makes_one_payment() -> None:
    results = record_at_once(*[event("processing", at=1, event_id="evt_same")] * 8)
    assert outcomes(results) == ["applied"] + ["duplicate"] * 7
    assert (payment().revision, Change.objects.count()) == (1, 1)


def test_different_first_events_at_once_make_one_payment_and_the_newest_wins() -> None:
    events = [
        event(status, at=at)
        for at, status in enumerate(["requires_action", "processing", "succeeded", "canceled"])
    ]
    results = record_at_once(*events)
    assert not [one for one in results if isinstance(one, BaseException)]
    assert (payment().state, Change.objects.count()) == ("canceled", 4)
    applied = [one.revision for one in Change.objects.filter(applied=True).order_by("revision")]
    assert applied == list(range(1, payment().revision + 1)), "a revision was lost or used twice"
    there = pointer.look("payment", ["EDX-1"])["EDX-1"]
    assert there == Current("canceled", payment().revision)


def test_two_objects_that_claim_one_number_at_once_are_told_apart() -> None:
    results = record_at_once(
        event("processing", at=1, upstream_id="pi_one"),
        event("processing", at=1, upstream_id="pi_other"),
    )
    assert outcomes(results) == [IdentifierTaken.__name__, "applied"]
    assert Payment.objects.count() == 1


def test_payments_of_their_own_do_not_wait_for_each_other_in_vain() -> None:
    results = record_at_once(
        *[event("processing", at=1, number=f"EDX-{number}") for number in range(8)]
    )
    assert outcomes(results) == ["applied"] * 8


def test_whoever_comes_second_waits_for_the_row_and_builds_on_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=1)
    plain, in_between, go_on = pointer.suspend_many, threading.Event(), threading.Event()

    def suspend(revisions: Mapping[pointer.Name, int]) -> frozenset[pointer.Name]:
        if not in_between.is_set():
            in_between.set()
            assert go_on.wait(10)
        return plain(revisions)

    monkeypatch.setattr(pointer, "suspend_many", suspend)
    first = Running(lambda: record("succeeded", at=2, amount_received=1000))
    assert in_between.wait(10)
    second = Running(lambda: record("succeeded", at=3, amount_received=1000, amount_refunded=1000))
    go_on.set()
    for running, revision in ((first, 2), (second, 3)):
        recorded = running.result()
        assert isinstance(recorded, Recorded)
        assert (recorded.outcome, recorded.revision) == (Recording.APPLIED, revision)
    assert payment().state == "refunded"


HISTORY: list[tuple[str, dict[str, Any]]] = [
    ("requires_action", {}),
    ("processing", {}),
    ("succeeded", {"amount_received": 1000}),
    ("succeeded", {"amount_received": 1000, "amount_refunded": 400}),
    ("succeeded", {"amount_received": 1000, "amount_refunded": 1000}),
    ("succeeded", {"amount_received": 1000, "amount_refunded": 1000, "dispute": "open"}),
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, len(HISTORY) - 1), min_size=1, max_size=12))
def test_in_any_order_and_however_often_the_newest_event_wins(deliveries: list[int]) -> None:
    number = f"P-{next(_numbers)}"
    for index in deliveries:
        status, content = HISTORY[index]
        record_change(
            Payment,
            event(status, at=index, number=number, event_id=f"evt_{number}_{index}", **content),
        )
    row = payment(number)
    newest = HISTORY[max(deliveries)]
    assert (row.intent_status, row.amount_refunded) == (
        newest[0],
        newest[1].get("amount_refunded", 0),
    )
    log = Change.objects.filter(identifier=number)
    assert log.count() == len(set(deliveries)), "each event is in the log once"
    applied = list(log.filter(applied=True).order_by("revision"))
    assert [one.revision for one in applied] == list(range(1, row.revision + 1))
    assert applied[-1].state == row.state, "the log and the ledger disagree"
