"""Within a transaction of the caller's: suspended at once, and what follows, after its commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.test import TestCase
from django.utils import timezone

from coordinator.core import cache, pointer, resource
from coordinator.core.pointer import Current, Suspended
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded, Resource
from coordinator.ledger import joining
from coordinator.ledger.joining import UnknownMode
from coordinator.ledger.recording import Recording, record_change
from coordinator.payments.models import Payment
from tests.support.orders import order, record_order
from tests.support.payments import change, event, payment, record, saying

pytestmark = pytest.mark.usefixtures("each_ledger")


@contextmanager
def rolled_back() -> Iterator[None]:
    """Open a transaction of the caller's, or a savepoint in it, and roll it back at the end."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def there(number: str = "EDX-1") -> pointer.Pointer | None:
    return pointer.look("payment", [number]).get(number)


@pytest.fixture
def payments(monkeypatch: pytest.MonkeyPatch) -> Resource:
    """Register payments that upstream says are in the state that the ledger has."""

    def load(number: str, standing: Any) -> Loaded:
        return saying(standing.state, number)

    registered = Resource.of(Payment, load=load)
    monkeypatch.setattr(resource, "_registry", {"payment": registered})
    return registered


def test_the_change_commits_with_the_callers_transaction(rung: list[dict[str, Any]]) -> None:
    record("processing", at=1)
    rung.clear()
    with transaction.atomic():
        recorded = record("succeeded", at=2)
        assert (recorded.outcome, there(), rung) == (Recording.APPLIED, Suspended(2), [])
    assert there() == Current("succeeded", 2)
    assert [said["change_id"] for said in rung] == [change(recorded).pk]
    assert change(recorded).suspended


def test_a_rollback_leaves_nothing_but_a_suspension(rung: list[dict[str, Any]]) -> None:
    record("processing", at=1)
    rung.clear()
    with rolled_back():
        record("succeeded", at=2, event_id="evt_again")
    assert (payment().revision, there(), rung) == (1, Suspended(2), [])
    assert record("succeeded", at=2, event_id="evt_again").outcome is Recording.APPLIED
    assert there() == Current("succeeded", 2)


def test_a_savepoint_that_rolls_back_takes_its_changes_and_no_others(
    rung: list[dict[str, Any]],
) -> None:
    with transaction.atomic():
        record("processing", at=1, number="A-1")
        with rolled_back():
            record("processing", at=1, number="A-2")
        record("processing", at=1, number="A-3")
    assert set(Payment.objects.values_list("number", flat=True)) == {"A-1", "A-3"}
    assert [said["identifier"] for said in rung] == ["A-1", "A-3"]
    assert there("A-1") == Current("processing", 1)
    assert there("A-2") == Suspended(1)


def test_a_change_that_is_refused_leaves_the_callers_transaction_usable() -> None:
    record("processing", at=1)
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            record("succeeded", at=2, amount=-1)
        record("succeeded", at=3)
    assert (payment().state, payment().revision) == ("succeeded", 2)


def test_two_changes_of_one_payment_leave_the_pointer_at_the_second() -> None:
    with transaction.atomic():
        record("processing", at=1)
        record("succeeded", at=2)
    assert there() == Current("succeeded", 2)


def test_the_containers_follow_as_well() -> None:
    record_order("confirmed", at=1)
    with transaction.atomic():
        record("processing", at=1, order_reference="ORD-1")
        assert pointer.look("order", ["ORD-1"])["ORD-1"] == Suspended(2)
    assert pointer.look("order", ["ORD-1"])["ORD-1"] == Current("confirmed", 2)
    assert order().revision == 2


def test_trouble_after_the_commit_keeps_no_other_callback_from_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []

    def lost(*_: object) -> None:
        raise OperationalError("the connection is gone")

    with transaction.atomic():
        record("processing", at=1)
        transaction.on_commit(lambda: ran.append("the caller's"))
        monkeypatch.setattr(joining, "_note_if_late", lost)
    assert ran == ["the caller's"]


def test_outermost_refuses_to_join(settings: Any) -> None:
    settings.COORDINATOR_ATOMIC = "outermost"
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        record("processing")
    with transaction.atomic():
        record_change(Payment, event("processing"), atomic="join")
    assert payment().revision == 1
    with pytest.raises(UnknownMode):
        record_change(Payment, event("processing"), atomic="maybe")


# -- what may not leave the transaction --------------------------------------------------------


def test_what_is_loaded_for_a_change_that_is_not_committed_is_not_stored(
    payments: Resource,
) -> None:
    record("processing", at=1)
    with rolled_back():
        record("succeeded", at=2)
        cache.clear_request_tier()
        found = read(payments, "EDX-1")
        assert found.entry is not None
        assert (found.outcome, found.entry.state, found.stored) == (
            Outcome.MISS,
            "succeeded",
            False,
        )
    # Another event takes the revision: what was loaded for the one that is gone may not be found.
    record("succeeded", at=3, amount_received=1000)
    cache.clear_request_tier()
    assert read(payments, "EDX-1").outcome is Outcome.MISS


def test_what_another_transaction_did_not_touch_is_stored_within_it(payments: Resource) -> None:
    record("processing", at=1)
    with transaction.atomic():
        record("processing", at=1, number="EDX-2")
        assert read(payments, "EDX-1").stored
    assert read(payments, "EDX-2").stored


# -- a commit that comes later than the suspension lasts ---------------------------------------


def test_a_commit_after_the_suspension_has_ended_counts_as_not_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record("processing", at=1)
    with transaction.atomic():
        recorded = record("succeeded", at=2)
        later = timezone.now() + timedelta(seconds=60)
        monkeypatch.setattr(timezone, "now", lambda: later)
    logged = change(recorded)
    assert (logged.suspended, logged.recorded_at) == (False, later)


# -- hosts' tests ------------------------------------------------------------------------------


def test_in_a_test_case_nothing_is_told_unless_the_callbacks_are_run(
    rung: list[dict[str, Any]],
) -> None:
    # As a TestCase does: one transaction around the test, which never commits.
    with transaction.atomic():
        record("processing", at=1)
        assert (there(), rung) == (Suspended(1), [])
        with TestCase.captureOnCommitCallbacks(execute=True):
            record("succeeded", at=2)
        assert (there(), len(rung)) == (Current("succeeded", 2), 1)
        transaction.set_rollback(True)
    assert not Payment.objects.exists()


def test_what_has_been_followed_counts_as_committed(payments: Resource) -> None:
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            record("processing", at=1)
            assert not joining.is_committed("payment", "EDX-1")
        assert joining.is_committed("payment", "EDX-1")
        assert read(payments, "EDX-1").stored
