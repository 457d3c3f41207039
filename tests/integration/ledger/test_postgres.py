"""What only a database with row locks can do, or get wrong."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from coordinator.ledger import queue
from coordinator.ledger.models import Change
from coordinator.ledger.recording import Recorded, Recording, record_change
from coordinator.payments.models import Payment
from tests.support.payments import event, payment, record
from tests.support.threads import Running

pytestmark = pytest.mark.usefixtures("postgres_ledger")


def test_what_somebody_holds_is_skipped_and_not_waited_for() -> None:
    recorded = [record("processing", number=f"EDX-{number}") for number in range(4)]
    changes = [one.change.pk for one in recorded if one.change is not None]
    with transaction.atomic():
        held = list(Change.objects.select_for_update().order_by("id")[:2])
        page = Running(lambda: queue.claim(10, 60)).result()
    assert isinstance(page, list)
    assert [one.pk for one in held] == changes[:2]
    assert [one.pk for one in page] == changes[2:]


def test_a_payment_that_is_made_between_two_looks_is_not_taken_for_another() -> None:
    competing = event("processing", at=1)
    competed: list[object] = []

    def compete(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "FOR UPDATE" in sql and not competed:
            competed.append(Running(lambda: record_change(Payment, competing)).result())
        return result

    with connection.execute_wrapper(compete):
        recorded = record("succeeded", at=2)
    assert isinstance(competed[0], Recorded)
    assert (recorded.outcome, recorded.revision) == (Recording.APPLIED, 2)
    assert payment().state == "succeeded"
