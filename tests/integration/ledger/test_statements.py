"""What the ledger asks for in ways that differ from one database to the next."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coordinator.ledger import claiming
from coordinator.ledger.models import Change
from coordinator.ledger.queries import standings_of
from coordinator.payments.models import Payment
from tests.integration.ledger.test_queue import ids, logged

pytestmark = pytest.mark.usefixtures("each_ledger")


def payments(count: int) -> list[str]:
    """Write so many payments and return their numbers."""
    rows = [
        Payment(
            number=f"EDX-{index}",
            upstream_id=f"pi_{index}",
            state="succeeded",
            revision=index + 1,
            provider="stripe",
            lms_user_id=str(index),
            intent_status="succeeded",
            amount=100,
            currency="usd",
        )
        for index in range(count)
    ]
    return [row.number for row in Payment.objects.bulk_create(rows)]


@pytest.mark.parametrize("each_ledger", ["sqlite", "postgres"], indirect=True)
def test_a_page_is_claimed_in_one_statement() -> None:
    logged(5)
    with CaptureQueriesContext(connection) as queries:
        page = claiming.claim(3, 60)
    assert len(page) == 3
    assert len(queries) == 1


def test_settling_finds_all_that_it_asks_of_a_change_without_another_query() -> None:
    [change] = logged(1, correlation_id="c-1", confirm=True, suspended=True)
    [claimed] = claiming.claim(3, 60)
    asked = [
        "resource",
        "identifier",
        "revision",
        "event_type",
        "recorded_at",
        "correlation_id",
        "applied",
        "confirm",
        "suspended",
        "outcome",
        "reason",
        "confirmed_at",
        "attempts",
    ]
    with CaptureQueriesContext(connection) as queries:
        found = {column: getattr(claimed, column) for column in asked}
        assert str(claimed) == str(change)
    assert not queries
    assert found == {column: getattr(change, column) for column in asked}
    assert claimed.claims == 1


def test_any_other_database_claims_the_same_in_several_statements() -> None:
    changes = logged(5)
    now = timezone.now()
    until = now + timedelta(seconds=60)
    page = claiming.in_steps(3, now, until)
    assert set(ids(page)) == set(ids([*changes[:2], changes[4]]))
    assert [change.claims for change in page] == [1, 1, 1]
    assert set(
        Change.objects.filter(pk__in=ids(page)).values_list("claims", "next_attempt_at")
    ) == {(1, until)}
    assert set(ids(claiming.in_steps(3, now, until))) == set(ids(changes[2:4]))
    assert claiming.in_steps(3, now, until) == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_standings_are_of_those_that_were_asked_for(count: int) -> None:
    numbers = payments(5)
    asked = [*numbers[:count], "EDX-nobody"]
    with CaptureQueriesContext(connection) as queries:
        standings = standings_of(Payment)(asked)
    assert len(queries) == 1
    assert {name: standing.revision for name, standing in standings.items()} == {
        name: index + 1 for index, name in enumerate(numbers[:count])
    }
    assert all(standing.owner == str(standing.revision - 1) for standing in standings.values())


def test_nothing_asked_for_is_nothing_found() -> None:
    payments(2)
    assert dict(standings_of(Payment)([])) == {}
    assert not Change.objects.filter(pk__among=[]).update(reason="nobody")


def test_values_among_which_one_looks_are_never_part_of_the_statement() -> None:
    payments(2)
    hostile = ["EDX-0'; DROP TABLE payments_payment; --", "{EDX-1}", 'EDX-1","EDX-0', "%s", "\\"]
    assert dict(standings_of(Payment)(hostile)) == {}
    assert Payment.objects.count() == 2
