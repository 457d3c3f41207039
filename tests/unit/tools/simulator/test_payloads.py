"""Payloads are Stripe's own, filled in: nothing is missing, and nothing of one is in another."""

import copy
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import stripe

from tests.unit.tools.simulator.walks import METADATA, NOW, events_of, new, paid, walk
from tools.simulator import aftermath, payloads
from tools.simulator.cards import CARDS
from tools.simulator.errors import StripeError
from tools.simulator.events import show_event
from tools.simulator.fixtures import load_fixture
from tools.simulator.payloads import show_charge, show_intent, show_object

EXPANDED = ("latest_charge", "latest_charge.refunds")


def test_the_version_is_the_one_of_the_pinned_library() -> None:
    assert stripe.api_version == payloads.API_VERSION


def test_an_intent_has_every_field_of_stripes_example() -> None:
    shown = show_intent(paid().payment)
    assert shown.keys() == load_fixture("payment_intent").keys()
    assert shown["metadata"] == METADATA
    assert shown["client_secret"].startswith("pi_test_secret_")


def test_a_charge_has_every_field_of_stripes_example_and_the_intents_metadata() -> None:
    payment = paid().payment
    shown = show_charge(payment, payment.charges[0], ("refunds",))
    assert shown.keys() == load_fixture("charge").keys()
    assert shown["metadata"] == METADATA
    assert shown["payment_intent"] == "pi_test"
    assert shown["paid"]
    assert shown["captured"]


def test_refunds_are_shown_only_where_they_are_asked_for_as_since_2022_11_15() -> None:
    payment = walk(paid().payment, "refund").payment
    assert "refunds" not in show_intent(payment, ("latest_charge",))["latest_charge"]
    refunds = show_intent(payment, EXPANDED)["latest_charge"]["refunds"]
    assert [refund["amount"] for refund in refunds["data"]] == [5000]
    assert refunds["data"][0].keys() == load_fixture("refund").keys()


def test_a_charge_lists_its_newest_refunds_and_says_if_there_are_more() -> None:
    payment = paid().payment
    for amount in range(1, payloads.REFUNDS_IN_CHARGE + 2):
        payment = aftermath.refund(payment, NOW + amount, amount).payment
    refunds = show_intent(payment, EXPANDED)["latest_charge"]["refunds"]
    assert refunds["has_more"]
    assert [refund["amount"] for refund in refunds["data"]] == [*range(11, 1, -1)]


def test_a_dispute_has_every_field_of_stripes_example() -> None:
    payment = walk(paid().payment, "open_dispute").payment
    dispute = payment.charges[0].dispute
    assert dispute is not None
    shown = show_object(payment, dispute.id)
    assert shown.keys() == load_fixture("dispute").keys()
    assert (shown["charge"], shown["payment_intent"]) == (payment.charges[0].id, "pi_test")


def test_a_failed_attempt_shows_its_card_and_an_open_one_shows_no_failure() -> None:
    declined = show_intent(paid("pm_card_visa_chargeDeclinedInsufficientFunds").payment)
    error = declined["last_payment_error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert error["payment_method"]["card"]["last4"] == "9995"
    assert show_intent(new().payment)["last_payment_error"] is None


def test_cards_differ_from_payment_to_payment() -> None:
    digits = set()
    for number in range(30):
        paid_one = walk(new(payment_id=f"pi_{number}").payment, "confirm").payment
        card = show_charge(paid_one, paid_one.charges[0])["payment_method_details"]["card"]
        digits.add(card["last4"])
    assert len(digits) > 20


def test_an_amount_without_minor_units_is_shown_as_it_is() -> None:
    shown = show_intent(paid(amount=500, currency="jpy").payment)
    assert (shown["amount"], shown["currency"]) == (500, "jpy")


@pytest.mark.parametrize("card", sorted(CARDS))
def test_everything_that_happens_is_json_that_stripes_library_understands(card: str) -> None:
    transitions = [new(), paid(card)]
    for step in ("authenticate", "finish", "refund", "finish_refund", "open_dispute"):
        # Not every card comes by every step.
        with suppress(StripeError):
            transitions.append(walk(transitions[-1].payment, step))
    for transition in transitions:
        for event in events_of(transition):
            shown = json.loads(msgspec.json.encode(show_event(event)))
            assert shown.keys() == load_fixture("event").keys()
            understood = stripe.Event.construct_from(shown, "sk_test_x")
            assert understood.data.object.id == event.object_id
            assert understood.api_version == payloads.API_VERSION


def test_showing_one_payment_leaves_nothing_behind_in_the_next() -> None:
    fresh: dict[str, Any] = copy.deepcopy(show_intent(new().payment, EXPANDED))
    payment = walk(paid("pm_card_threeDSecure2Required").payment, "authenticate", "refund").payment
    show_intent(payment, EXPANDED)
    assert show_intent(new().payment, EXPANDED) == fresh
