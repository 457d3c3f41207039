"""Recording a change: once, in order, and refused where it could do harm."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from coordinator import correlation
from coordinator.core import pointer
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.pointer import Current
from coordinator.ledger import recording
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.recording import (
    IdentifierTaken,
    Observation,
    Recording,
    UnknownIdentifier,
    record_change,
    record_observation,
)
from coordinator.ledger.states import UnknownLedgerState
from coordinator.payments.models import Payment
from tests.support.payments import change, event, moment, payment, record

pytestmark = pytest.mark.usefixtures("each_ledger")


def there() -> pointer.Pointer | None:
    return pointer.look("payment", ["EDX-1"]).get("EDX-1")


# -- what an event becomes ---------------------------------------------------------------------


def test_the_first_event_makes_the_row_the_log_and_the_pointer() -> None:
    recorded = record("processing", at=5, event_id="evt_first", correlation_id="abc")
    assert (recorded.outcome, recorded.identifier, recorded.revision) == (
        Recording.APPLIED,
        "EDX-1",
        1,
    )
    row = payment()
    assert (row.state, row.revision, row.occurred_at) == ("processing", 1, moment(5))
    assert (row.amount, row.lms_user_id, row.upstream_id) == (1000, "42", "pi_EDX-1")
    logged = change(recorded)
    assert (logged.resource, logged.identifier, logged.state) == ("payment", "EDX-1", "processing")
    assert (logged.revision, logged.previous_state, logged.applied) == (1, "", True)
    assert (logged.event_id, logged.occurred_at) == ("evt_first", moment(5))
    assert (logged.suspended, logged.confirm, logged.settled) == (True, False, False)
    assert logged.correlation_id == "abc"
    assert there() == Current("processing", 1)


def test_the_next_event_makes_the_next_revision() -> None:
    record("processing", at=5)
    recorded = record("succeeded", at=6, amount_received=1000)
    assert (payment().state, payment().revision, payment().amount_received) == (
        "succeeded",
        2,
        1000,
    )
    assert change(recorded).previous_state == "processing"
    assert there() == Current("succeeded", 2)


def test_content_that_changes_within_a_state_makes_a_revision_too() -> None:
    record("succeeded", at=5, amount_received=1000)
    record("succeeded", at=6, amount_received=1000, amount_refunded=100)
    record("succeeded", at=7, amount_received=1000, amount_refunded=200)
    assert (payment().state, payment().revision) == ("partially_refunded", 3)


def test_a_second_delivery_is_a_no_op(rung: list[dict[str, Any]]) -> None:
    once = event("processing", at=5)
    record_change(Payment, once)
    record("succeeded", at=6)
    rung.clear()
    again = record_change(Payment, once)
    assert (again.outcome, again.revision, again.change) == (Recording.DUPLICATE, 2, None)
    assert (payment().state, Change.objects.count()) == ("succeeded", 2)
    assert there() == Current("succeeded", 2)
    assert rung == []


def test_an_event_that_arrives_late_is_logged_and_changes_nothing(
    rung: list[dict[str, Any]],
) -> None:
    record("succeeded", at=10)
    rung.clear()
    late = record("processing", at=9)
    assert (late.outcome, late.revision) == (Recording.OUT_OF_DATE, 1)
    assert (payment().state, payment().revision, payment().occurred_at) == (
        "succeeded",
        1,
        moment(10),
    )
    logged = change(late)
    assert (logged.applied, logged.outcome, logged.settled) == (
        False,
        ChangeOutcome.OUT_OF_DATE,
        True,
    )
    assert (logged.state, logged.revision) == ("processing", 1)
    assert there() == Current("succeeded", 1)
    assert rung == []


def test_within_one_second_the_higher_rank_wins_and_upstream_is_to_confirm() -> None:
    record("processing", at=5)
    recorded = record("succeeded", at=5)
    assert (payment().state, payment().revision) == ("succeeded", 2)
    logged = change(recorded)
    assert (logged.applied, logged.confirm, logged.settled) == (True, True, False)


def test_within_one_second_the_lower_rank_loses_and_upstream_is_to_confirm(
    rung: list[dict[str, Any]],
) -> None:
    record("succeeded", at=5)
    rung.clear()
    recorded = record("processing", at=5)
    assert recorded.outcome is Recording.OUT_OF_DATE
    assert (payment().state, payment().revision) == ("succeeded", 1)
    logged = change(recorded)
    assert (logged.applied, logged.confirm, logged.outcome) == (False, True, "")
    assert logged.confirmed_at is not None, "it moved no pointer"
    assert [said["change_id"] for said in rung] == [logged.pk]


def test_within_one_second_the_same_state_is_applied_and_upstream_is_to_confirm() -> None:
    record("succeeded", at=5, amount_received=1000, amount_refunded=100)
    recorded = record("succeeded", at=5, amount_received=1000, amount_refunded=300)
    assert (payment().amount_refunded, payment().revision) == (300, 2)
    assert change(recorded).confirm


def test_an_event_without_a_time_is_applied_and_makes_no_later_one_late() -> None:
    record("processing", at=5)
    record("requires_action", at=None)
    assert payment().state == "requires_action"
    assert record("succeeded", at=6).outcome is Recording.APPLIED


def test_an_event_after_ones_without_any_time_is_applied() -> None:
    first = record("processing", at=None)
    assert payment().occurred_at == change(first).recorded_at, "our clock, for want of upstream's"
    second = record("succeeded", at=1)
    assert second.outcome is Recording.APPLIED
    assert change(second).confirm, "which of the two came first, no time tells"


def test_an_event_that_names_no_number_finds_the_payment_by_its_upstream_id() -> None:
    record("processing", at=5)
    recorded = record("succeeded", at=6, number=None, upstream_id="pi_EDX-1")
    assert (recorded.identifier, payment().state) == ("EDX-1", "succeeded")


def test_the_correlation_id_in_force_is_kept_with_the_change() -> None:
    with correlation.bind("from-the-webhook"):
        recorded = record("processing")
    assert change(recorded).correlation_id == "from-the-webhook"


# -- what is refused ---------------------------------------------------------------------------


def test_an_event_of_an_unknown_payment_without_a_number_is_asked_for_again() -> None:
    with pytest.raises(UnknownIdentifier) as caught:
        record("succeeded", number=None, upstream_id="pi_unheard_of")
    assert caught.value.retry_after_seconds
    assert not caught.value.permanent
    assert not Change.objects.exists()


def test_a_number_that_is_another_objects_is_refused() -> None:
    record("processing", at=5)
    with pytest.raises(IdentifierTaken):
        record("succeeded", at=6, upstream_id="pi_another")
    assert (payment().state, Change.objects.count()) == ("processing", 1)
    assert there() == Current("processing", 1)


@pytest.mark.parametrize("number", ["", "a b", "a__b", "A" * 65, "EDX-1\x00", "é"])
def test_a_number_that_can_be_no_key_is_refused(number: str) -> None:
    with pytest.raises(InvalidIdentifier):
        record("processing", number=number, upstream_id="pi_1")
    assert not Payment.objects.exists()


def test_a_state_that_is_not_in_the_table_is_refused_and_nothing_recorded() -> None:
    with pytest.raises(UnknownLedgerState):
        record("sold")
    assert not Payment.objects.exists()


def test_what_the_database_refuses_leaves_no_trace_and_can_come_again() -> None:
    record("processing", at=5)
    broken = event("succeeded", at=6, amount=-1, event_id="evt_again")
    with pytest.raises(IntegrityError):
        record_change(Payment, broken)
    assert (payment().revision, Change.objects.count()) == (1, 1)
    assert record("succeeded", at=6, event_id="evt_again").outcome is Recording.APPLIED


def test_recording_is_the_outermost_transaction_or_refuses() -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        record_change(Payment, event("processing"), atomic="outermost")


# -- observed changes --------------------------------------------------------------------------


def observe(revision: int, status: str, at: float | None = None) -> recording.Recorded:
    seen = Observation("pi_EDX-1", {"intent_status": status}, None if at is None else moment(at))
    return record_observation(Payment, "EDX-1", revision, seen)


def test_what_a_load_saw_is_recorded_as_a_change_of_its_own() -> None:
    record("processing", at=5)
    recorded = observe(1, "succeeded", at=7)
    assert recorded.outcome is Recording.APPLIED
    logged = change(recorded)
    assert (logged.event_id, logged.event_type) == ("observed:payment.EDX-1:1", "observed")
    assert (payment().state, payment().revision, payment().occurred_at) == (
        "succeeded",
        2,
        moment(7),
    )


def test_what_a_load_saw_is_recorded_once_however_many_saw_it() -> None:
    record("processing", at=5)
    observe(1, "succeeded")
    assert observe(1, "succeeded").outcome is Recording.DUPLICATE
    assert payment().revision == 2


def test_what_a_load_saw_before_another_change_is_not_recorded() -> None:
    record("processing", at=5)
    record("succeeded", at=6)
    assert observe(1, "processing").outcome is Recording.OUT_OF_DATE
    assert (payment().state, Change.objects.count()) == ("succeeded", 2)


def test_upstream_may_say_that_a_state_was_left_again() -> None:
    record("succeeded", at=5)
    assert observe(1, "processing", at=3).outcome is Recording.APPLIED
    assert (payment().state, payment().occurred_at) == ("processing", moment(5))


def test_an_observation_without_a_time_makes_no_later_event_late() -> None:
    record("processing", at=5)
    observe(1, "succeeded", at=None)
    assert record("canceled", at=6).outcome is Recording.APPLIED


def test_an_observation_of_what_was_erased_makes_no_payment() -> None:
    with pytest.raises(UnknownIdentifier):
        observe(1, "succeeded")
    assert not Payment.objects.exists()
