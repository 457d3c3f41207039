"""What the ledger can't hold is refused before anything is written, and says which column."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection, models

from coordinator.core import pointer
from coordinator.ledger.fitting import (
    ChangeRefused,
    ColumnNotYours,
    StateNotInTable,
    UnfitValue,
    UnknownColumn,
)
from coordinator.ledger.models import Change, Ledgered
from coordinator.ledger.recording import Event, Recording, record_change
from coordinator.ledger.states import State, StateTable
from coordinator.payments.models import Payment
from tests.support.payments import event, payment, record

pytestmark = pytest.mark.usefixtures("each_ledger")


def ledger() -> tuple[list[Any], list[Any]]:
    """Return all that the ledger holds."""
    return list(Payment.objects.values()), list(Change.objects.values())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        ({"amount_recieved": 900}, UnknownColumn, "payment.amount_recieved"),
        ({"is_open": True}, UnknownColumn, "payment.is_open"),
        ({"standing": "x"}, UnknownColumn, "payment.standing"),
        ({"revision": 7}, ColumnNotYours, "payment.revision"),
        ({"number": "EDX-2"}, ColumnNotYours, "payment.number"),
        ({"upstream_id": "pi_2"}, ColumnNotYours, "payment.upstream_id"),
        ({"occurred_at": None}, ColumnNotYours, "payment.occurred_at"),
        ({"pk": 1}, ColumnNotYours, "payment.pk"),
        ({"currency": "euros"}, UnfitValue, "payment.currency: max_length"),
        ({"currency": None}, UnfitValue, "payment.currency: null"),
        ({"currency": ["eur"]}, UnfitValue, "payment.currency: no text"),
        ({"order_reference": "a\0b"}, UnfitValue, "payment.order_reference: characters"),
        ({"order_reference": "a\ud800"}, UnfitValue, "payment.order_reference: characters"),
        ({"amount": 2**63}, UnfitValue, "payment.amount: max_value"),
        ({"amount": "many"}, UnfitValue, "payment.amount: invalid"),
        ({"amount": 1.5}, UnfitValue, "payment.amount: fraction"),
        ({"amount": float("inf")}, UnfitValue, "payment.amount: invalid"),
        ({"amount": None}, UnfitValue, "payment.amount: null"),
        ({"dispute": "maybe"}, UnfitValue, "payment.dispute: invalid_choice"),
    ],
)
def test_what_no_column_can_hold_is_refused_and_nothing_is_written(
    known: bool, content: dict[str, object], kind: type[ChangeRefused], detail: str
) -> None:
    if known:
        record("processing", at=1)
    before, pointed = ledger(), pointer.look("payment", ["EDX-1"])
    told = event("succeeded", at=2)
    with pytest.raises(kind) as refused:
        record_change(Payment, replace(told, content={**told.content, **content}))
    assert refused.value.detail == detail
    assert refused.value.permanent
    assert ledger() == before
    assert pointer.look("payment", ["EDX-1"]) == pointed, "not even a pointer was suspended"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_id", "e" * 256),
        ("event_id", "evt_\0"),
        ("event_type", "t" * 129),
        ("correlation_id", "c" * 65),
        ("upstream_id", "u" * 256),
        ("upstream_id", "pi_\0"),
    ],
)
def test_an_event_that_the_log_has_no_room_for_is_refused(name: str, value: str) -> None:
    with pytest.raises(UnfitValue):
        record_change(Payment, replace(event(at=1), **{name: value}))  # type: ignore[arg-type]
    assert ledger() == ([], [])


def test_a_value_of_another_type_is_what_its_column_makes_of_it() -> None:
    record("succeeded", at=1, amount="1000", amount_received="1000", amount_refunded=400.0)
    row = payment()
    assert (row.amount_received, row.amount_refunded) == (1000, 400)
    assert row.state == "partially_refunded"


def test_a_refusal_never_quotes_the_value() -> None:
    with pytest.raises(UnfitValue) as refused:
        record(at=1, currency="secret-of-somebody")
    assert "secret" not in str(refused.value)


# -- models that are not ours ------------------------------------------------------------------


def host_model(applies: bool) -> type[Ledgered]:
    """Return a model whose state is what its event says; it may name content in its own way."""
    registry = Apps()

    class Order(Ledgered):
        resource_name, owner_column = "order", "buyer"
        state_table = StateTable(State("placed", 1, False), State("paid", 2, True))
        buyer = models.CharField(max_length=30, blank=True)
        status = models.CharField(max_length=30)
        paid_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "others"
            apps = registry

        def derive_state(self) -> str:
            return self.status

        if applies:

            def apply(self, content: Any) -> None:
                self.status = content["what"]

    return Order


@pytest.fixture
def orders(request: pytest.FixtureRequest, each_ledger: str) -> Any:
    """Yield the host's model, with its table."""
    model = host_model(applies=request.param)
    with connection.schema_editor() as editor:
        editor.create_model(model)
    yield model
    with connection.schema_editor() as editor:
        editor.delete_model(model)


def placed(content: dict[str, object], at: int = 1) -> Event:
    return Event(f"evt_{at}", "order", "O-1", "up_1", datetime(2027, 1, at, tzinfo=UTC), content)


@pytest.mark.parametrize("orders", [False], indirect=True)
def test_a_state_that_is_in_no_table_is_refused(orders: type[Ledgered]) -> None:
    record_change(orders, placed({"status": "placed"}))
    with pytest.raises(StateNotInTable):
        record_change(orders, placed({"status": "On hold"}, at=2))
    assert list(orders._base_manager.values_list("state", "revision")) == [("placed", 1)]
    assert Change.objects.count() == 1
    assert record_change(orders, placed({"status": "paid"}, at=3)).outcome is Recording.APPLIED


@pytest.mark.parametrize("orders", [True], indirect=True)
def test_a_model_that_applies_content_in_its_own_way_names_it_as_it_likes(
    orders: type[Ledgered],
) -> None:
    assert record_change(orders, placed({"what": "placed"})).outcome is Recording.APPLIED
    with pytest.raises(UnfitValue):
        record_change(orders, placed({"what": "x" * 31}, at=2))
    with pytest.raises(StateNotInTable):
        record_change(orders, placed({"what": "On hold"}, at=2))
