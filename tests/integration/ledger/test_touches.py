"""Touches: what shows a thing that changed is as new as it, from the same commit on."""

from collections.abc import Iterable
from typing import Any

import pytest
from pytest_django import Settings

from coordinator.core import pointer
from coordinator.core.pointer import Current, Suspended
from coordinator.ledger import containment, touching, transactions
from coordinator.ledger.containment import InvalidContainment, TooManyContainers, UnknownContainer
from coordinator.ledger.models import Change, Touch
from coordinator.ledger.recording import Recording, record_change, record_changes
from coordinator.orders.models import Order
from coordinator.payments.models import Payment
from tests.support.orders import order, order_event, record_order
from tests.support.payments import event, payment, record
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("each_ledger")


def there(number: str = "ORD-1", resource: str = "order") -> pointer.Pointer | None:
    return pointer.look(resource, [number]).get(number)


def touches() -> list[Change]:
    return list(Change.objects.filter(event_type=touching.EVENT_TYPE).order_by("pk"))


def pay(status: str = "processing", at: float = 1, shown_in: str = "ORD-1", **more: Any) -> Any:
    return record(status, at=at, order_reference=shown_in, **more)


def test_a_change_of_a_payment_is_one_of_its_order(rung: list[dict[str, Any]]) -> None:
    record_order("confirmed", at=1)
    rung.clear()
    pay(event_id="evt_paid", correlation_id="on-behalf-of")
    row = order()
    assert (row.revision, row.state) == (2, "confirmed")
    [touched] = touches()
    assert (touched.resource, touched.identifier, touched.revision) == ("order", "ORD-1", 2)
    assert (touched.state, touched.previous_state) == ("confirmed", "confirmed")
    assert touched.event_id == "evt_paid>order.ORD-1"
    assert (touched.correlation_id, touched.occurred_at) == ("on-behalf-of", None)
    assert (touched.applied, touched.suspended, touched.settled) == (True, True, False)
    assert (there(), there("EDX-1", "payment")) == (
        Current("confirmed", 2),
        Current("processing", 1),
    )
    assert [(said["resource"], said["revision"]) for said in rung] == [("payment", 1), ("order", 2)]
    assert rung[1]["change_id"] == touched.pk


def test_a_touch_makes_no_event_of_the_order_late() -> None:
    record_order("confirmed", at=5)
    pay(at=100)
    assert record_order("fulfilled", at=6).outcome is Recording.APPLIED
    assert order().revision == 3


def test_the_order_is_suspended_in_the_same_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    record_order("confirmed", at=1)
    plain, seen = pointer.suspend_many, []

    def suspend_many(revisions: Any) -> frozenset[pointer.Name]:
        acknowledged = plain(revisions)
        seen.append((dict(revisions), there()))
        return acknowledged

    monkeypatch.setattr(pointer, "suspend_many", suspend_many)
    pay()
    assert seen == [({("payment", "EDX-1"): 1, ("order", "ORD-1"): 2}, Suspended(2))]


def test_an_order_that_the_ledger_does_not_know_is_left_out() -> None:
    pay()
    assert touches() == []
    assert there() is None


@pytest.mark.parametrize("reference", ["", "no number at all", "x" * 65])
def test_a_reference_that_is_no_orders_number_touches_nothing(reference: str) -> None:
    record_order("confirmed", at=1)
    pay(shown_in=reference)
    assert touches() == []


def test_what_changes_nothing_touches_nothing() -> None:
    record_order("confirmed", at=1)
    once = event("succeeded", at=5, order_reference="ORD-1")
    record_change(Payment, once)
    before = order().revision
    record_change(Payment, once)
    pay("processing", at=4)
    assert order().revision == before


def test_a_payment_that_moves_touches_the_order_that_showed_it_and_the_one_that_does() -> None:
    for number in ("ORD-1", "ORD-2", "ORD-3"):
        record_order("confirmed", at=1, number=number)
    pay(at=1, shown_in="ORD-1")
    pay(at=2, shown_in="ORD-2")
    assert [order(number).revision for number in ("ORD-1", "ORD-2", "ORD-3")] == [3, 2, 1]


def test_a_late_event_does_not_move_a_payment_to_another_order() -> None:
    record_order("confirmed", at=1)
    record_order("confirmed", at=1, number="ORD-2")
    pay("succeeded", at=5)
    pay("processing", at=4, shown_in="ORD-2")
    assert [order("ORD-1").revision, order("ORD-2").revision] == [2, 1]


def test_many_payments_of_one_transaction_touch_their_order_once() -> None:
    record_order("confirmed", at=1)
    record_changes(
        [
            (Payment, event(number=f"EDX-{n}", order_reference="ORD-1", event_id=f"evt_of_{n}"))
            for n in range(3)
        ]
    )
    assert order().revision == 2
    assert [one.event_id for one in touches()] == ["evt_of_0>order.ORD-1"]


def test_an_event_of_the_order_itself_is_touch_enough() -> None:
    record_order("confirmed", at=1)
    recorded = record_changes(
        [
            (Order, order_event("fulfilled", at=2)),
            (Payment, event("processing", at=1, order_reference="ORD-1")),
        ]
    )
    assert [(one.identifier, one.revision) for one in recorded] == [("ORD-1", 2), ("EDX-1", 1)]
    assert (order().revision, touches()) == (2, [])


def test_a_late_event_of_the_order_does_not_keep_it_from_being_touched() -> None:
    record_order("fulfilled", at=5)
    recorded = record_changes(
        [
            (Order, order_event("pending", at=2, total=17)),
            (Payment, event("processing", at=1, order_reference="ORD-1")),
        ]
    )
    assert recorded[0].outcome is Recording.OUT_OF_DATE
    row = order()
    assert (row.revision, row.state, row.total) == (2, "fulfilled", 1000)
    assert len(touches()) == 1


def test_a_first_event_that_makes_the_order_finds_its_payment_there() -> None:
    pay()
    record_order("confirmed", at=1)
    pay("succeeded", at=2)
    assert order().revision == 2


def test_what_a_load_saw_of_a_payment_touches_its_order_too() -> None:
    record_order("confirmed", at=1)
    pay()
    record("succeeded", expected_revision=1, order_reference="ORD-1")
    assert order().revision == 3


def test_a_cause_whose_id_is_long_leaves_room_for_the_container() -> None:
    record_order("confirmed", at=1)
    ids = ["e" * 250 + end for end in "ab"]
    for at, one in enumerate(ids):
        pay(at=at, event_id=one)
    found = [one.event_id for one in touches()]
    assert len(set(found)) == 2
    assert all(one.endswith(">order.ORD-1") and len(one) < 100 for one in found)


# -- the shapes that a model may declare -------------------------------------------------------


def also_shown_in(monkeypatch: pytest.MonkeyPatch, numbers: Iterable[str]) -> None:
    """Let every payment be shown in these orders: many payments, many orders."""
    shown = [Touch("order", number) for number in numbers]
    monkeypatch.setattr(Payment, "shown_in", lambda self: shown)


def test_a_payment_may_be_shown_in_many_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [f"ORD-{n}" for n in range(20)]
    for number in numbers:
        record_order("confirmed", at=1, number=number)
    also_shown_in(monkeypatch, numbers)
    pay()
    assert {order(number).revision for number in numbers} == {2}
    assert len(touches()) == 20


def test_too_many_containers_are_refused_and_nothing_is_recorded(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.COORDINATOR_MOST_CONTAINERS = 3
    numbers = [f"ORD-{n}" for n in range(4)]
    also_shown_in(monkeypatch, numbers)
    with pytest.raises(TooManyContainers, match="by reference"):
        pay()
    assert not Payment.objects.exists()
    also_shown_in(monkeypatch, numbers[:3])
    assert pay().outcome is Recording.APPLIED


def test_only_what_the_model_declares_may_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Payment, "shown_in", lambda self: [Touch("page", "P-1")])
    with pytest.raises(UnknownContainer):
        pay()
    assert not Payment.objects.exists()


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the function that lets orders be shown in these resources, and looks at it anew."""

    def declare(*containers: str) -> None:
        monkeypatch.setattr(Order, "containers", containers)
        containment.forget()

    yield declare
    monkeypatch.undo()
    containment.forget()


def test_two_that_show_each_other_are_refused(declared: Any) -> None:
    declared("payment")
    with pytest.raises(InvalidContainment, match="shows itself"):
        containment.check()


def test_what_shows_itself_is_refused(declared: Any) -> None:
    declared("order")
    with pytest.raises(InvalidContainment):
        containment.check()


def test_a_container_without_a_model_is_refused(declared: Any) -> None:
    declared("page")
    with pytest.raises(InvalidContainment, match="page"):
        containment.check()


# -- at once -----------------------------------------------------------------------------------


def write_at_once(rounds: int, run: int = 0) -> list[object]:
    """Let payments of one order, the order itself, and both together change at once."""

    def pays(number: str) -> None:
        for at in range(rounds):
            pay("processing", at=run + at, number=number)

    def changes_order() -> None:
        for at in range(rounds):
            record_order("confirmed", at=run + at)

    def both() -> None:
        for at in range(rounds):
            paid = event("processing", at=run + at, number="A-3", order_reference="ORD-1")
            record_changes([(Order, order_event("confirmed")), (Payment, paid)])

    return at_once([lambda: pays("A-1"), lambda: pays("A-2"), changes_order, both])


def test_payments_of_one_order_and_the_order_itself_at_once_do_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conflicts: list[object] = []

    def is_conflict(error: object) -> bool:
        # What is run again would hide a deadlock.
        conflicts.append(error)
        return False

    monkeypatch.setattr(transactions, "is_conflict", is_conflict)
    record_order("confirmed", at=1)
    assert write_at_once(rounds=8) == [None] * 4
    assert conflicts == []
    log = Change.objects.filter(resource="order", applied=True).order_by("revision")
    assert [one.revision for one in log] == list(range(1, order().revision + 1))
    assert payment("A-3").revision == 8
