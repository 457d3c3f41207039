"""What Stripe's events mean here: the table, and what is read from each object."""

import typing
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from coordinator.ledger.order import Place
from coordinator.payments.providers import Ignored, ProviderEvent
from coordinator.payments.providers.base import (
    MalformedEvent,
    ThinEvent,
    UnknownStatus,
    UnusableMetadata,
    WrongMode,
)
from coordinator.payments.providers.stripe_events import TABLE, Handled, Skipped, rule_for
from coordinator.payments.providers.stripe_webhooks import parse
from tests.unit.payments import stripe_samples as samples


def library_types() -> set[str]:
    """Return every event type that the installed Stripe library knows."""
    return set(typing.get_args(typing.get_type_hints(stripe.Event)["type"]))


def statuses(kind: type) -> tuple[str, ...]:
    """Return the statuses that the library names: a union of those, and of any other text."""
    union = typing.get_args(kind.__annotations__["status"])
    names = typing.get_args(next(part for part in union if part is not str))
    assert len(names) > 5
    return names


def parsed(kind: str, item: dict[str, Any], **changes: Any) -> ProviderEvent | Ignored:
    return parse(samples.encoded(samples.event(kind, item, **changes)))


def handled(kind: str, item: dict[str, Any], **changes: Any) -> ProviderEvent:
    event = parsed(kind, item, **changes)
    assert isinstance(event, ProviderEvent)
    return event


# -- the table ---------------------------------------------------------------------------------


def test_every_event_type_about_payments_that_the_library_knows_is_in_the_table() -> None:
    about_payments = {
        kind
        for kind in library_types()
        if kind.startswith(("payment_intent.", "charge.", "refund."))
    }
    assert about_payments == set(TABLE)


def test_the_library_still_lists_its_event_types_where_the_test_above_looks() -> None:
    assert {"payment_intent.succeeded", "charge.dispute.closed"} <= library_types()
    assert len(library_types()) > 200


@pytest.mark.parametrize("kind", sorted(library_types() - set(TABLE)))
def test_an_event_about_anything_else_is_ignored(kind: str) -> None:
    assert parsed(kind, {"id": "x"}) == Ignored("event_type", kind, "evt_1NG8Du2eZvKYlo2CUI79vXWy")


def test_every_skipped_type_says_why_and_every_handled_one_what_it_does() -> None:
    for rule in TABLE.values():
        assert rule.why if isinstance(rule, Skipped) else rule.effect


def test_one_request_can_ask_for_all_handled_types_at_once() -> None:
    # Stripe's list of events takes up to twenty types.
    assert 0 < sum(isinstance(rule, Handled) for rule in TABLE.values()) <= 20


# -- PaymentIntents ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("payment_intent.created", "requires_payment_method"),
        ("payment_intent.created", "requires_confirmation"),
        ("payment_intent.requires_action", "requires_action"),
        ("payment_intent.processing", "processing"),
        ("payment_intent.amount_capturable_updated", "requires_capture"),
        ("payment_intent.partially_funded", "requires_action"),
        ("payment_intent.payment_failed", "requires_payment_method"),
        ("payment_intent.canceled", "canceled"),
        ("payment_intent.succeeded", "succeeded"),
    ],
)
def test_an_intents_event_tells_its_status_amounts_and_whose_it_is(kind: str, status: str) -> None:
    received = 4900 if status == "succeeded" else 0
    place = Place.LAST if status in {"canceled", "succeeded"} else Place.BETWEEN
    place = Place.FIRST if kind == "payment_intent.created" else place
    event = handled(kind, samples.intent(status=status, amount_received=received))
    assert event == ProviderEvent(
        event_id="evt_1NG8Du2eZvKYlo2CUI79vXWy",
        event_type=kind,
        upstream_id=samples.INTENT_ID,
        number="EDX-1001",
        occurred_at=datetime(2023, 11, 14, 22, 18, 20, tzinfo=UTC),
        content={
            "intent_status": status,
            "amount": 4900,
            "amount_received": received,
            "currency": "usd",
            "lms_user_id": "42",
            "order_reference": "ORDER-7",
        },
        subject=f"intent:{samples.INTENT_ID}",
        place=place,
    )


def test_an_intent_without_our_metadata_is_not_ours() -> None:
    event = parsed("payment_intent.succeeded", samples.intent(metadata={"shop": "somebody"}))
    assert isinstance(event, Ignored)
    assert event.reason == "not_ours"


def test_the_names_of_the_metadata_are_settings(settings: Any) -> None:
    settings.COORDINATOR_METADATA_NUMBER = "invoice"
    event = handled("payment_intent.succeeded", samples.intent(metadata={"invoice": "INV-1"}))
    assert event.number == "INV-1"


@pytest.mark.parametrize("number", ["EDX__1", "EDX 1", "EDX\u0000", "é", "x" * 65, "../../etc"])
def test_a_number_that_cannot_be_ours_is_refused_where_stripe_shows_it(number: str) -> None:
    with pytest.raises(UnusableMetadata):
        parsed("payment_intent.created", samples.intent(metadata={"payment_number": number}))


@pytest.mark.parametrize("owner", ["", "4 2", "42\u0000", "x" * 65, "<script>", "a__b"])
def test_an_owner_that_cannot_be_a_user_id_is_nobody(owner: str) -> None:
    metadata = {"payment_number": "EDX-1", "lms_user_id": owner}
    event = handled("payment_intent.created", samples.intent(metadata=metadata))
    assert event.content["lms_user_id"] == ""


def test_control_characters_and_excess_are_cut_off_an_order_reference() -> None:
    metadata = {"payment_number": "EDX-1", "order_reference": "a\u0000b\n" + "c" * 400}
    event = handled("payment_intent.created", samples.intent(metadata=metadata))
    assert event.content["order_reference"] == "ab" + "c" * 253


def test_a_status_that_this_release_does_not_know_is_refused_until_an_upgrade() -> None:
    with pytest.raises(UnknownStatus):
        parsed("payment_intent.created", samples.intent(status="requires_telepathy"))


# -- charges and refunds -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "refunded"),
    [
        ({"amount_refunded": 900}, 900),
        ({"amount_refunded": 4900, "refunded": True}, 4900),
        # Captured in part: Stripe books the rest as refunded, and it never was ours.
        ({"amount_captured": 3000, "amount_refunded": 1900}, 0),
        ({"amount_captured": 3000, "amount_refunded": 2400}, 500),
        ({"amount_captured": 3000, "amount_refunded": 4900, "refunded": True}, 3000),
        # Captured above what was authorised: there is no rest, so all that was refunded counts.
        ({"amount_captured": 5500, "amount_refunded": 0}, 0),
        ({"amount_captured": 5500, "amount_refunded": 900}, 900),
        ({"amount_captured": 5500, "amount_refunded": 5500, "refunded": True}, 5500),
    ],
)
def test_a_refunded_charge_tells_the_total_that_was_given_back(
    changes: dict[str, Any], refunded: int
) -> None:
    item = samples.charge(**changes)
    event = handled("charge.refunded", item)
    assert event.upstream_id == samples.INTENT_ID
    assert event.number == "EDX-1001"
    assert event.content == {
        "intent_status": "succeeded",
        "amount": 4900,
        "amount_received": item["amount_captured"],
        "amount_refunded": refunded,
        "currency": "usd",
        "lms_user_id": "42",
        "order_reference": "ORDER-7",
    }


def test_a_released_authorisation_is_no_refund() -> None:
    item = samples.charge(captured=False, amount_captured=0, amount_refunded=4900, refunded=True)
    event = parsed("charge.refunded", item)
    assert isinstance(event, Ignored)
    assert event.reason == "says_nothing"


def test_a_charge_from_before_payment_intents_is_ignored() -> None:
    event = parsed("charge.refunded", samples.charge(payment_intent=None))
    assert isinstance(event, Ignored)
    assert event.reason == "no_payment_intent"


def test_a_charge_made_before_its_intent_had_metadata_leaves_the_number_open() -> None:
    event = handled("charge.refunded", samples.charge(metadata={}, amount_refunded=900))
    assert event.number is None
    assert event.upstream_id == samples.INTENT_ID


@pytest.mark.parametrize("kind", ["charge.refund.updated", "refund.updated", "refund.failed"])
def test_a_single_refund_makes_the_payment_be_fetched(kind: str) -> None:
    event = handled(kind, samples.refund(status="failed"))
    assert event.needs_fetch
    assert event.upstream_id == samples.INTENT_ID
    assert event.content == {}


@pytest.mark.parametrize("kind", ["charge.refund.updated", "refund.updated"])
def test_an_update_of_nothing_that_is_served_costs_no_request(kind: str) -> None:
    data = {"object": samples.refund(), "previous_attributes": {"destination_details": {}}}
    event = parsed(kind, {}, data=data)
    assert isinstance(event, Ignored)
    assert event.reason == "says_nothing"
    data["previous_attributes"] = {"status": "pending"}
    assert handled(kind, {}, data=data).needs_fetch


@pytest.mark.parametrize("kind", ["charge.refund.updated", "refund.updated"])
def test_an_update_that_does_not_tell_what_changed_is_fetched(kind: str) -> None:
    data = {"object": samples.refund(), "previous_attributes": {}}
    assert handled(kind, {}, data=data).needs_fetch


@pytest.mark.parametrize("previous", [{}, {"destination_details": {}}, {"failure_reason": None}])
def test_a_failed_refund_is_fetched_whatever_fields_it_says_have_changed(
    previous: dict[str, Any],
) -> None:
    data = {"object": samples.refund(status="failed"), "previous_attributes": previous}
    assert handled("refund.failed", {}, data=data).needs_fetch


# -- disputes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "column"),
    [
        ("warning_needs_response", ""),
        ("warning_under_review", ""),
        ("warning_closed", ""),
        ("needs_response", "open"),
        ("under_review", "open"),
        ("appeal_needs_response", "open"),
        ("appeal_under_review", "open"),
        ("prevented", ""),
        ("won", "won"),
        ("lost", "lost"),
    ],
)
def test_a_dispute_is_open_won_or_lost_by_its_status(status: str, column: str) -> None:
    event = handled("charge.dispute.updated", samples.dispute(status=status))
    assert event.content == {"intent_status": "succeeded", "dispute": column}
    assert event.number is None


def test_every_status_of_a_dispute_that_the_library_knows_is_understood() -> None:
    for status in statuses(stripe.Dispute):
        handled("charge.dispute.updated", samples.dispute(status=status))


def test_every_status_of_an_intent_that_the_library_knows_is_understood() -> None:
    for status in statuses(stripe.PaymentIntent):
        handled("payment_intent.created", samples.intent(status=status))


# -- events that aren't what they should be ----------------------------------------------------


def test_unknown_fields_change_nothing() -> None:
    plain = handled("payment_intent.succeeded", samples.succeeded())
    new = handled(
        "payment_intent.succeeded",
        samples.succeeded(quantum={"entangled": True}),
        context="org_1",
        reason={"type": "request"},
    )
    assert new == plain


def test_an_event_of_another_api_version_only_says_which_payment_to_fetch() -> None:
    item = {"id": samples.INTENT_ID, "object": "payment_intent", "status": 7, "amount": "odd"}
    event = handled("payment_intent.succeeded", item, api_version="2019-02-11")
    assert (event.upstream_id, event.needs_fetch, event.content) == (samples.INTENT_ID, True, {})


def test_a_dispute_of_another_api_version_names_its_payment_too() -> None:
    event = handled("charge.dispute.created", samples.dispute(), api_version=None)
    assert (event.upstream_id, event.needs_fetch) == (samples.INTENT_ID, True)


def test_an_expanded_reference_counts_as_its_id() -> None:
    event = handled("charge.dispute.created", samples.dispute(payment_intent=samples.intent()))
    assert event.upstream_id == samples.INTENT_ID


def test_an_event_of_the_other_mode_is_refused(settings: Any) -> None:
    with pytest.raises(WrongMode):
        parsed("payment_intent.succeeded", samples.succeeded(), livemode=True)
    settings.STRIPE_LIVEMODE = True
    with pytest.raises(WrongMode):
        parsed("payment_intent.succeeded", samples.succeeded())


def test_an_event_of_a_connected_account_is_ignored() -> None:
    event = parsed("payment_intent.succeeded", samples.succeeded(), account="acct_1")
    assert isinstance(event, Ignored)
    assert event.reason == "other_account"


def test_a_thin_event_is_refused_with_what_to_change() -> None:
    body = samples.encoded(
        {
            "id": "evt_1",
            "object": "v2.core.event",
            "type": "v1.payment_intent.succeeded",
            "created": "2026-11-22T10:00:00.000Z",
            "related_object": {"id": samples.INTENT_ID, "type": "payment_intent", "url": "/v1/x"},
        }
    )
    with pytest.raises(ThinEvent, match="snapshot"):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"event"',
        b'{"object": "event"}',
        b'{"object": {"object": "event"}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        samples.encoded(samples.event("payment_intent.created", {}, id="evt_\u0000")),
        samples.encoded(samples.event("payment_intent.created", {}, created=-1)),
        samples.encoded(samples.event("payment_intent.created", {}, created=10**30)),
        samples.encoded(samples.event("payment_intent.created", {}, created=1.5)),
        samples.encoded(samples.event("payment_intent.created", {})),
        samples.encoded(samples.event("payment_intent.created", samples.intent(amount=-1))),
        samples.encoded(samples.event("payment_intent.created", samples.intent(amount=2**63))),
        samples.encoded(samples.event("payment_intent.created", samples.intent(amount=1.0))),
        samples.encoded(samples.event("payment_intent.created", samples.intent(currency="US$"))),
        samples.encoded(samples.event("payment_intent.created", samples.intent(id="pi_1/../x"))),
        samples.encoded(samples.event("payment_intent.created", samples.intent(metadata=[1]))),
    ],
)
def test_what_is_not_an_event_of_the_declared_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        parse(body)


def test_a_refusal_says_where_it_looked_and_not_what_it_found() -> None:
    body = samples.encoded(
        samples.event("payment_intent.created", samples.intent(amount="4900 secret"))
    )
    with pytest.raises(MalformedEvent) as caught:
        parse(body)
    assert "$.amount" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_type_that_is_not_in_the_table_counts_as_about_something_else() -> None:
    assert isinstance(rule_for("payment_intent.invented_tomorrow"), Skipped)


def test_the_api_version_in_force_is_the_one_that_the_library_was_made_for(settings: Any) -> None:
    assert stripe._api_version._ApiVersion.CURRENT == settings.STRIPE_API_VERSION
