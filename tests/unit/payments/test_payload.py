"""What is served of a payment, byte for byte."""

from datetime import UTC, datetime

import msgspec
import pytest

from coordinator.payments.payload import (
    SCHEMA,
    DisputeDetails,
    FailureDetails,
    PaymentDetails,
    RefundDetails,
    decode,
    encode,
)

MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DETAILS = PaymentDetails(
    number="EDX-1001",
    state="partially_refunded",
    amount=4900,
    amount_received=4900,
    amount_refunded=900,
    currency="usd",
    lms_user_id="42",
    order_reference="ORDER-7",
    provider="stripe",
    provider_id="pi_1",
    provider_status="succeeded",
    created_at=MOMENT,
    updated_at=MOMENT,
    failure=FailureDetails(type="card_error", code="card_declined"),
    refunds=(RefundDetails(id="re_1", amount=900, status="succeeded", created_at=MOMENT),),
    disputes=(DisputeDetails(id="du_1", amount=4900, status="won", reason="fraudulent"),),
)
PINNED = (
    b'{"number":"EDX-1001","state":"partially_refunded","amount":4900,"amount_received":4900,'
    b'"amount_refunded":900,"currency":"usd","lms_user_id":"42","order_reference":"ORDER-7",'
    b'"provider":"stripe","provider_id":"pi_1","provider_status":"succeeded",'
    b'"created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:00Z",'
    b'"canceled_at":null,"cancellation_reason":null,'
    b'"failure":{"type":"card_error","code":"card_declined","decline_code":null},'
    b'"refunds":[{"id":"re_1","amount":900,"status":"succeeded","reason":null,'
    b'"created_at":"2026-11-22T10:00:00Z"}],'
    b'"disputes":[{"id":"du_1","amount":4900,"status":"won","reason":"fraudulent",'
    b'"created_at":null}]}'
)


def test_the_bytes_of_this_schema_are_these_and_others_need_another_schema_number() -> None:
    assert SCHEMA == 2
    assert encode(DETAILS) == PINNED


def test_equal_details_are_equal_bytes() -> None:
    assert encode(DETAILS) == encode(msgspec.structs.replace(DETAILS))


def test_what_was_encoded_can_be_decoded() -> None:
    assert decode(encode(DETAILS)) == DETAILS


def test_a_later_releases_new_fields_do_not_disturb_a_reader() -> None:
    assert decode(PINNED[:-1] + b',"loyalty_points":7}') == DETAILS


def test_an_amount_that_is_no_integer_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(PINNED.replace(b'"amount":4900', b'"amount":49.00', 1))
