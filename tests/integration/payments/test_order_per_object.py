"""Events of different upstream objects: none makes another's late, and none speaks for another."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from coordinator.ledger import order
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.recording import (
    Observation,
    Recorded,
    Recording,
    record_observation,
)
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.payments.providers import Found, ProviderEvent, rest_objects
from coordinator.payments.providers.stripe import StripeProvider
from coordinator.payments.providers.stripe_webhooks import parse
from coordinator.payments.receiving import NotShownYet, receive
from tests.support.lifecycles import Books, body_of, live
from tests.unit.payments import stripe_samples as samples

pytestmark = pytest.mark.usefixtures("sqlite_ledger")

T = 1_700_000_000
_ids = itertools.count(1)


def tell(kind: str, item: dict[str, Any], at: float) -> Recorded:
    """Deliver an event of Stripe's, so many seconds after T."""
    event = samples.event(kind, item, id=f"evt_{next(_ids)}", created=int(T + at))
    meaning = parse(json.dumps(event).encode())
    assert isinstance(meaning, ProviderEvent)
    recorded = receive(meaning)
    assert isinstance(recorded, Recorded)
    return recorded


def paid(at: float = 0) -> Recorded:
    return tell("payment_intent.succeeded", samples.succeeded(), at)


def disputed(name: str, status: str, at: float) -> Recorded:
    kinds = {"needs_response": "created", "under_review": "updated"}
    kind = f"charge.dispute.{kinds.get(status, 'closed')}"
    return tell(kind, samples.dispute(id=name, status=status), at)


def refunded(amount: int, at: float, **more: Any) -> Recorded:
    return tell("charge.refunded", samples.charge(amount_refunded=amount, **more), at)


def state() -> str:
    return Payment.objects.get().state


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    """Return books that say that there is no such payment, if they are asked."""
    kept = Books()
    monkeypatch.setattr(StripeProvider, "fetch", lambda _, upstream_id: kept.fetch(upstream_id))
    providers.current.cache_clear()
    return kept


# -- what was observed -------------------------------------------------------------------------


def test_a_refund_from_before_a_dispute_that_was_told_first_is_not_dropped(books: Books) -> None:
    paid()
    disputed("dp_a", "needs_response", 20)
    assert refunded(900, 10).outcome is Recording.APPLIED
    assert state() == "disputed"
    disputed("dp_a", "won", 30)
    assert (state(), Payment.objects.get().amount_refunded) == ("partially_refunded", 900)
    assert books.calls == []


def test_a_dispute_that_is_won_leaves_another_one_open() -> None:
    paid()
    disputed("dp_a", "needs_response", 10)
    disputed("dp_b", "needs_response", 20)
    disputed("dp_a", "won", 30)
    assert (state(), Payment.objects.get().dispute) == ("disputed", "open")
    disputed("dp_b", "lost", 40)
    assert state() == "dispute_lost"


def test_of_one_dispute_the_older_word_is_late_and_says_why() -> None:
    paid()
    disputed("dp_a", "won", 30)
    late = disputed("dp_a", "needs_response", 10)
    assert late.outcome is Recording.OUT_OF_DATE
    logged = Change.objects.get(applied=False)
    assert (logged.outcome, logged.reason) == (
        ChangeOutcome.OUT_OF_DATE,
        "older than what the ledger holds of it",
    )
    assert state() == "succeeded"


def test_a_retried_card_leaves_several_charges_and_the_refunds_of_the_one_that_was_paid() -> None:
    failed = samples.charge(id="ch_failed", captured=False, amount_captured=0)
    tell("payment_intent.payment_failed", samples.intent(latest_charge=failed["id"]), 0)
    paid(10)
    refunded(900, 20, id="ch_paid")
    assert (state(), Payment.objects.get().amount_refunded) == ("partially_refunded", 900)


def test_a_charge_that_was_refunded_succeeded_whatever_its_intent_said_last(books: Books) -> None:
    tell("payment_intent.processing", samples.intent(status="processing"), 0)
    refunded(4900, 20, refunded=True)
    assert state() == "refunded"
    # The event in between comes last, and is no news of the charge.
    assert paid(10).outcome is Recording.APPLIED
    assert (state(), Payment.objects.get().amount_received) == ("refunded", 4900)


def test_whose_payment_it_is_the_intent_says_and_not_the_copy_that_its_charge_has() -> None:
    moved = samples.intent()["metadata"] | {"lms_user_id": "43"}
    tell("payment_intent.succeeded", samples.succeeded(metadata=moved), 0)
    refunded(900, 20)
    assert Payment.objects.get().lms_user_id == "43"


# -- what is fetched to complete an event ------------------------------------------------------


def test_a_completion_that_does_not_show_its_event_yet_is_asked_for_again(books: Books) -> None:
    life = live([("pay with pm_card_refundFail", 60.0), ("refund", 60.0)], began=now() - 180)
    before = life.now
    for body in life.bodies():
        deliver(body)
    failing = live(
        [("pay with pm_card_refundFail", 60.0), ("refund", 60.0), ("fail_refund", 60.0)],
        began=now() - 180,
        number=life.number,
    )
    lagging = live([], number=life.number)
    lagging.versions = [before]
    books.keep(lagging)
    failed = next(body_of(event) for event in failing.events if event.type == "refund.failed")
    with pytest.raises(NotShownYet) as caught:
        deliver(failed)
    assert not caught.value.permanent
    assert state() == "refunded"
    books.keep(failing)
    deliver(failed)
    assert (state(), Payment.objects.get().amount_refunded) == ("succeeded", 0)


def test_a_completion_that_another_change_overtakes_is_confirmed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = live(
        [("pay with pm_card_refundFail", 60.0), ("refund", 60.0), ("fail_refund", 60.0)],
        began=now() - 600,
    )
    books.keep(life)
    bodies = {event.type: body_of(event) for event in life.events}
    deliver(bodies["payment_intent.created"])

    def overtaken(_: StripeProvider, upstream_id: str) -> Found:
        found = books.fetch(upstream_id)
        deliver(bodies["payment_intent.succeeded"])
        return found

    monkeypatch.setattr(StripeProvider, "fetch", overtaken)
    deliver(bodies["refund.failed"])
    change = Change.objects.get(event_type="refund.failed")
    assert (change.applied, change.confirm, change.revision) == (True, True, 3)


def now() -> float:
    return timezone.now().timestamp()


def deliver(body: bytes) -> None:
    meaning = parse(body)
    if isinstance(meaning, ProviderEvent):
        receive(meaning)


# -- within one second -------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["succeeded", "canceled"])
def test_what_is_over_came_last_in_its_second_and_nothing_is_confirmed(status: str) -> None:
    tell("payment_intent.processing", samples.intent(status="processing"), 0)
    over = tell(f"payment_intent.{status}", samples.intent(status=status), 0)
    assert over.outcome is Recording.APPLIED
    late = tell("payment_intent.requires_action", samples.intent(status="requires_action"), 0)
    assert late.outcome is Recording.OUT_OF_DATE
    assert state() == status
    assert not Change.objects.filter(confirm=True).exists()


def test_what_is_created_came_first_in_its_second_and_nothing_is_confirmed() -> None:
    tell("payment_intent.processing", samples.intent(status="processing"), 0)
    late = tell("payment_intent.created", samples.intent(), 0)
    assert late.outcome is Recording.OUT_OF_DATE
    assert not Change.objects.filter(confirm=True).exists()


def test_between_two_words_of_one_second_upstream_decides() -> None:
    tell("payment_intent.processing", samples.intent(status="processing"), 0)
    tell("payment_intent.requires_action", samples.intent(status="requires_action"), 0)
    assert state() == "processing", "the higher rank"
    assert Change.objects.get(applied=False).confirm


def test_two_words_of_a_dispute_that_say_the_same_need_no_order() -> None:
    paid()
    disputed("dp_a", "needs_response", 10)
    tell("charge.dispute.funds_withdrawn", samples.dispute(id="dp_a"), 10)
    assert not Change.objects.filter(confirm=True).exists()


# -- times ahead of ours -----------------------------------------------------------------------

YEAR_9999 = 253_402_300_799 - T


def far_ahead() -> datetime:
    return datetime(9999, 12, 31, tzinfo=UTC)


def from_now(seconds: float) -> float:
    return timezone.now().timestamp() + seconds - T


def test_a_time_ahead_of_ours_makes_no_later_event_late() -> None:
    tell("payment_intent.processing", samples.intent(status="processing"), YEAR_9999)
    assert paid(5).outcome is Recording.APPLIED
    assert state() == "succeeded"


def test_a_time_ahead_of_ours_is_confirmed_and_the_rows_own_time_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    paid(-60)
    disputed("dp_a", "needs_response", from_now(120))
    assert Change.objects.get(event_type="charge.dispute.created").confirm
    at = Payment.objects.get().occurred_at
    assert at is not None
    assert at <= timezone.now()
    assert "event.time_ahead" in [record.message for record in caplog.records]


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    paid(-60)
    disputed("dp_a", "needs_response", from_now(30))
    assert not Change.objects.filter(confirm=True).exists()


def test_under_a_test_clock_all_times_are_ahead_and_events_count_as_they_come() -> None:
    month = from_now(30 * 86_400)
    tell("payment_intent.processing", samples.intent(status="processing"), month)
    paid(month + 86_400)
    assert state() == "succeeded"
    assert Change.objects.filter(confirm=True).count() == 2


@pytest.mark.parametrize("updated_at", ["9999-12-31T23:59:59-12:00", "2999-01-01T00:00:00Z"])
def test_a_time_ahead_orders_nothing_for_a_plain_rest_service_either(
    settings: Settings, updated_at: str
) -> None:
    settings.COORDINATOR_PROVIDER = "coordinator.payments.providers.rest.RestProvider"
    flat = {"id": "p1", "number": "EDX-1", "amount_minor": 100, "currency": "usd"}
    wrong = {**flat, "status": "processing", "version": 1, "updated_at": updated_at}
    right = {**flat, "status": "succeeded", "version": 2, "updated_at": "2026-11-22T10:00:00Z"}
    for item in (wrong, right):
        receive(rest_objects.event_of(rest_objects.understand(item), "payment.changed"))
    assert state() == "succeeded"
    assert Change.objects.filter(applied=True, confirm=True).exists()


def test_an_observed_change_from_ahead_of_ours_makes_no_later_event_late() -> None:
    paid(-60)
    seen = Observation(samples.INTENT_ID, {"intent_status": "succeeded"}, far_ahead())
    assert record_observation(Payment, "EDX-1001", 1, seen).outcome is Recording.APPLIED
    assert disputed("dp_a", "needs_response", 5).outcome is Recording.APPLIED
    at = Payment.objects.get().occurred_at
    assert at is not None
    assert at <= timezone.now()


def test_a_time_that_is_none_in_utc_counts_as_not_told() -> None:
    last = datetime.fromisoformat("9999-12-31T23:59:59-12:00")
    first = datetime.fromisoformat("0001-01-01T00:00:00+12:00")
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert order.told(last, now) is order.told(first, now) is None
    assert order.in_utc(last) is order.in_utc(first) is None
