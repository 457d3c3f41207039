"""Recording a change: once, in order, with the pointer suspended before the commit."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from coordinator import correlation
from coordinator.core import pointer
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.pointer import Current, Suspended
from coordinator.ledger import recording
from coordinator.ledger.models import Change, Outcome
from coordinator.ledger.recording import (
    IdentifierTaken,
    Observation,
    Recording,
    UnknownIdentifier,
    record_change,
    record_observation,
)
from coordinator.ledger.signals import payment_state_changed
from coordinator.ledger.states import UnknownLedgerState
from coordinator.payments.models import Payment
from tests.support.payments import change, event, moment, payment, record
from tests.support.threads import Running

pytestmark = pytest.mark.usefixtures("each_ledger")


@pytest.fixture
def rung() -> Iterator[list[dict[str, Any]]]:
    """Return the list of what `payment_state_changed` was sent with."""
    heard: list[dict[str, Any]] = []

    def hear(**said: Any) -> None:
        heard.append(said)

    payment_state_changed.connect(hear, weak=False)
    yield heard
    payment_state_changed.disconnect(hear)


def there() -> pointer.Pointer | None:
    return pointer.look("payment", ["EDX-1"]).get("EDX-1")


def seen_by_others() -> int:
    """Return the payment's revision as another connection sees it, 0 if it sees no payment."""

    def look() -> int:
        return (
            Payment.objects.filter(number="EDX-1").values_list("revision", flat=True).first() or 0
        )

    revision = Running(look).result()
    assert isinstance(revision, int)
    return revision


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
    assert (logged.applied, logged.outcome, logged.settled) == (False, Outcome.OUT_OF_DATE, True)
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
    assert (payment().state, payment().occurred_at) == ("requires_action", moment(5))
    assert record("succeeded", at=6).outcome is Recording.APPLIED


def test_an_event_after_ones_without_any_time_is_applied() -> None:
    record("processing", at=None)
    assert payment().occurred_at is None
    assert record("succeeded", at=1).outcome is Recording.APPLIED
    assert payment().occurred_at == moment(1)


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
        record("processing")


# -- the pointer -------------------------------------------------------------------------------


def test_the_pointer_is_suspended_after_the_write_and_before_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=5)
    plain = pointer.suspend
    at_suspension: dict[str, object] = {}

    def suspend(resource: str, identifier: str, revision: int) -> bool:
        at_suspension.update(
            revision=revision,
            in_transaction=connection.in_atomic_block,
            written=payment().revision,
            others=seen_by_others(),
        )
        return plain(resource, identifier, revision)

    monkeypatch.setattr(pointer, "suspend", suspend)
    record("succeeded", at=6)
    assert at_suspension == {"revision": 2, "in_transaction": True, "written": 2, "others": 1}


def test_the_pointer_is_advanced_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pointer.advance
    at_advance: dict[str, object] = {}

    def advance(*args: Any, **kwargs: Any) -> pointer.Confirmation:
        at_advance.update(
            pointer=there(), in_transaction=connection.in_atomic_block, others=seen_by_others()
        )
        return plain(*args, **kwargs)

    monkeypatch.setattr(pointer, "advance", advance)
    record("processing", at=5)
    assert at_advance == {"pointer": Suspended(1), "in_transaction": False, "others": 1}


def test_a_transaction_that_fails_leaves_the_pointer_suspended_and_readers_with_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=5)

    class Crash(Exception):
        """Stands for a process that dies before it commits."""

    plain = pointer.suspend

    def suspend(*args: Any) -> bool:
        plain(*args)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(pointer, "suspend", suspend)
        with pytest.raises(Crash):
            record("succeeded", at=6)
    assert there() == Suspended(2)
    assert payment().revision == 1
    record("succeeded", at=6)
    assert there() == Current("succeeded", 2)


def test_without_a_cache_the_change_still_commits_and_says_that_it_suspended_nothing(
    no_cache: None,
) -> None:
    recorded = record("processing", at=5)
    assert recorded.outcome is Recording.APPLIED
    assert change(recorded).suspended is False


def test_trouble_after_the_commit_is_not_the_senders(
    monkeypatch: pytest.MonkeyPatch, rung: list[dict[str, Any]]
) -> None:
    record("processing", at=5)
    rung.clear()

    def lost(*_: object) -> None:
        raise OperationalError("the connection is gone")

    # The suspension is not there, so advancing has to ask the ledger.
    monkeypatch.setattr(pointer, "suspend", lambda *_: False)
    monkeypatch.setattr(recording, "standing_of", lost)
    assert record("succeeded", at=6).outcome is Recording.APPLIED
    assert len(rung) == 1, "nobody was told of what is committed"


# -- what is told ------------------------------------------------------------------------------


def test_the_signal_comes_after_the_commit_and_says_what_changed() -> None:
    said: list[dict[str, Any]] = []

    def hear(sender: type[Payment], **about: Any) -> None:
        about.pop("signal")
        said.append(
            {"sender": sender, "others": seen_by_others(), "in": connection.in_atomic_block} | about
        )

    payment_state_changed.connect(hear)
    try:
        recorded = record("processing", at=5)
    finally:
        payment_state_changed.disconnect(hear)
    assert said == [
        {
            "sender": Payment,
            "others": 1,
            "in": False,
            "resource": "payment",
            "identifier": "EDX-1",
            "revision": 1,
            "state": "processing",
            "change_id": change(recorded).pk,
        }
    ]


def test_a_failing_receiver_is_nobody_elses_trouble(
    rung: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(**_: object) -> None:
        raise ValueError("broken receiver")

    payment_state_changed.disconnect(dispatch_uid="workers.ring")
    payment_state_changed.connect(fails)
    try:
        with caplog.at_level(logging.ERROR):
            recorded = record("processing", at=5)
    finally:
        payment_state_changed.disconnect(fails)
    assert recorded.outcome is Recording.APPLIED
    assert len(rung) == 1
    assert "broken receiver" in caplog.text


def test_the_log_line_names_the_entry_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=recording.__name__):
        record("processing", at=5, order_reference="ORDER-SECRET")
    [line] = [r for r in caplog.records if r.message == "change.recorded"]
    assert vars(line)["entry"] == "payment.EDX-1.processing"
    assert vars(line)["outcome"] == "applied"
    assert "ORDER-SECRET" not in str(vars(line))


# -- observed changes --------------------------------------------------------------------------


def observe(revision: int, status: str, at: float | None = None) -> recording.Recorded:
    seen = Observation("pi_EDX-1", {"intent_status": status}, None if at is None else moment(at))
    return record_observation(Payment, "EDX-1", revision, seen)


def test_what_a_load_saw_is_recorded_as_a_change_of_its_own() -> None:
    record("processing", at=5)
    recorded = observe(1, "succeeded", at=7)
    assert recorded.outcome is Recording.APPLIED
    logged = change(recorded)
    assert (logged.event_id, logged.event_type) == ("observed:EDX-1:1", "observed")
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
    assert payment().occurred_at == moment(5)
    assert record("canceled", at=6).outcome is Recording.APPLIED


def test_an_observation_of_what_was_erased_makes_no_payment() -> None:
    with pytest.raises(UnknownIdentifier):
        observe(1, "succeeded")
    assert not Payment.objects.exists()
