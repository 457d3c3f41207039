"""Recording several events at once: all or none, in one order, as if each had come alone."""

from typing import Any

import pytest
from django.db import IntegrityError

from coordinator.core import pointer
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.pointer import Current
from coordinator.ledger.models import Change
from coordinator.ledger.recording import (
    IdentifierTaken,
    Recording,
    UnknownIdentifier,
    record_changes,
)
from coordinator.ledger.signals import changes_recorded
from coordinator.payments.models import Payment
from tests.support.payments import change, event, moment, payment, record
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("each_ledger")

APPLIED, DUPLICATE, OUT_OF_DATE = Recording.APPLIED, Recording.DUPLICATE, Recording.OUT_OF_DATE


def facts(*events: Any) -> list[tuple[type[Payment], Any]]:
    return [(Payment, one) for one in events]


def pointers(*numbers: str) -> dict[str, pointer.Pointer]:
    return dict(pointer.look("payment", list(numbers)))


def test_each_event_is_recorded_and_the_answers_come_in_the_order_of_the_events(
    rung: list[dict[str, Any]],
) -> None:
    record("processing", at=1, number="A-2")
    rung.clear()
    recorded = record_changes(
        facts(
            event("succeeded", at=2, number="A-2"),
            event("processing", at=1, number="A-3"),
            event("requires_action", at=1, number="A-1"),
        )
    )
    assert [(one.outcome, one.identifier, one.revision) for one in recorded] == [
        (APPLIED, "A-2", 2),
        (APPLIED, "A-3", 1),
        (APPLIED, "A-1", 1),
    ]
    assert [change(one).suspended for one in recorded] == [True, True, True]
    assert pointers("A-1", "A-2", "A-3") == {
        "A-1": Current("requires_action", 1),
        "A-2": Current("succeeded", 2),
        "A-3": Current("processing", 1),
    }
    assert {said["change_id"] for said in rung} == {change(one).pk for one in recorded}


def test_nothing_to_record_records_nothing() -> None:
    assert record_changes([]) == []


def test_what_is_known_or_late_or_new_is_each_answered_for_itself() -> None:
    known = event("processing", at=5, number="A-1")
    record_changes(facts(known, event("succeeded", at=5, number="A-2")))
    recorded = record_changes(
        facts(
            known,
            event("processing", at=4, number="A-2"),
            event("processing", at=1, number="A-3"),
        )
    )
    assert [one.outcome for one in recorded] == [DUPLICATE, OUT_OF_DATE, APPLIED]
    assert [one.revision for one in recorded] == [1, 1, 1]
    assert Change.objects.count() == 4


def test_several_events_of_one_payment_make_one_revision_each() -> None:
    recorded = record_changes(
        facts(
            event("processing", at=1),
            event("succeeded", at=2, amount_received=1000),
            event("succeeded", at=3, amount_received=1000, amount_refunded=400),
        )
    )
    assert [one.revision for one in recorded] == [1, 2, 3]
    assert [change(one).previous_state for one in recorded] == ["", "processing", "succeeded"]
    row = payment()
    assert (row.state, row.revision, row.occurred_at) == ("partially_refunded", 3, moment(3))
    assert pointers("EDX-1") == {"EDX-1": Current("partially_refunded", 3)}


def test_an_event_that_comes_twice_at_once_counts_once() -> None:
    once = event("processing", at=1)
    recorded = record_changes(facts(once, once))
    assert [one.outcome for one in recorded] == [APPLIED, DUPLICATE]
    assert (payment().revision, Change.objects.count()) == (1, 1)


def test_what_a_late_event_says_is_not_met_by_the_next_one() -> None:
    record("succeeded", at=5, amount_received=1000)
    recorded = record_changes(
        facts(
            event("processing", at=4, amount_received=1, order_reference="late"),
            event("succeeded", at=6, amount_refunded=1000),
        )
    )
    assert [one.outcome for one in recorded] == [OUT_OF_DATE, APPLIED]
    row = payment()
    assert (row.state, row.amount_received, row.order_reference) == ("refunded", 1000, "")


def test_the_number_is_told_by_any_of_the_events() -> None:
    recorded = record_changes(
        facts(
            event("processing", at=1, number=None, upstream_id="pi_EDX-1"),
            event("succeeded", at=2, number="EDX-1"),
        )
    )
    assert [one.identifier for one in recorded] == ["EDX-1", "EDX-1"]
    assert payment().state == "succeeded"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"number": None, "upstream_id": "pi_unheard_of"}, UnknownIdentifier),
        ({"number": "EDX-1", "upstream_id": "pi_another"}, IdentifierTaken),
        ({"number": "NEW", "upstream_id": "pi_another"}, IdentifierTaken),
        ({"number": "a b"}, InvalidIdentifier),
        ({"amount": -1}, IntegrityError),
    ],
    ids=["unknown", "taken", "taken among them", "no key", "refused by the database"],
)
def test_if_one_is_refused_none_is_recorded(wrong: dict[str, Any], error: type[Exception]) -> None:
    record("processing", at=1)
    with pytest.raises(error):
        record_changes(
            facts(event("succeeded", at=2), event(number="NEW"), event(**{"number": "W", **wrong}))
        )
    assert (payment().revision, Payment.objects.count(), Change.objects.count()) == (1, 1, 1)


def test_without_a_cache_all_commit_and_say_that_they_suspended_nothing(no_cache: None) -> None:
    recorded = record_changes(facts(event(number="A-1"), event(number="A-2")))
    assert [change(one).suspended for one in recorded] == [False, False]


def test_transactions_that_name_the_same_payments_in_any_order_do_not_deadlock() -> None:
    numbers = ["A-1", "A-2", "A-3"]
    for number in numbers:
        record("processing", at=1, number=number)

    def some(seed: int) -> None:
        for at in range(5):
            order = numbers[seed % 3 :] + numbers[: seed % 3]
            order = order if seed % 2 else order[::-1]
            record_changes(facts(*[event("succeeded", number=one) for one in order]))
            record_changes(facts(*[event(number=f"N-{at}-{one}") for one in order]))

    results = at_once([lambda seed=seed: some(seed) for seed in range(6)])  # type: ignore[misc]  # bound early
    assert results == [None] * 6
    assert [payment(number).revision for number in numbers] == [31, 31, 31]


def test_who_wakes_workers_is_told_once_for_all(rung: list[dict[str, Any]]) -> None:
    heard: list[list[int]] = []

    def hear(changes: list[Change], **_: Any) -> None:
        heard.append([one.pk for one in changes])

    record("succeeded", at=5, number="A-1")
    changes_recorded.connect(hear)
    try:
        recorded = record_changes(
            facts(event(number="A-2"), event("processing", at=4, number="A-1"), event(number="A-3"))
        )
        record_changes(facts(event("processing", at=4, number="A-1")))
    finally:
        changes_recorded.disconnect(hear)
    assert heard == [[change(recorded[0]).pk, change(recorded[2]).pk]], "the late one is settled"
