"""Stripe's objects as its API renders them, cut down to what matters, and signed webhooks."""

import json
import time
from collections.abc import Mapping
from typing import Any

import stripe

SECRET = "whsec_test_only"
NUMBER = "EDX-1001"
INTENT_ID = "pi_3MtwBwLkdIwHu7ix28a3tqPa"


def intent(**changes: Any) -> dict[str, Any]:
    """Return a PaymentIntent of ours, with a client secret, as Stripe sends it."""
    return {
        "id": INTENT_ID,
        "object": "payment_intent",
        "amount": 4900,
        "amount_received": 0,
        "client_secret": f"{INTENT_ID}_secret_never",
        "created": 1_700_000_000,
        "currency": "usd",
        "livemode": False,
        "metadata": {
            "payment_number": NUMBER,
            "lms_user_id": "42",
            "order_reference": "ORDER-7",
        },
        "canceled_at": None,
        "cancellation_reason": None,
        "last_payment_error": None,
        "latest_charge": None,
        "status": "requires_payment_method",
    } | changes


def succeeded(**changes: Any) -> dict[str, Any]:
    """Return a PaymentIntent that was paid, with its charge expanded."""
    paid = {"status": "succeeded", "amount_received": 4900, "latest_charge": charge()}
    return intent(**(paid | changes))


def charge(**changes: Any) -> dict[str, Any]:
    """Return a captured charge, card details and all."""
    return {
        "id": "ch_3MtwBwLkdIwHu7ix0snN0B15",
        "object": "charge",
        "amount": 4900,
        "amount_captured": 4900,
        "amount_refunded": 0,
        "billing_details": {"email": "learner@example.com", "name": "Jenny Rosen"},
        "captured": True,
        "created": 1_700_000_010,
        "currency": "usd",
        "disputed": False,
        "metadata": intent()["metadata"],
        "payment_intent": INTENT_ID,
        "payment_method_details": {"card": {"last4": "4242", "fingerprint": "AOB934RVNwzk6xtn"}},
        "receipt_url": "https://pay.stripe.com/receipts/never",
        "refunded": False,
        "refunds": {"object": "list", "data": [], "has_more": False},
    } | changes


def refund(**changes: Any) -> dict[str, Any]:
    """Return a refund of a part."""
    return {
        "id": "re_1Nispe2eZvKYlo2Cd31jOCgZ",
        "object": "refund",
        "amount": 900,
        "created": 1_700_000_100,
        "currency": "usd",
        "payment_intent": INTENT_ID,
        "charge": "ch_3MtwBwLkdIwHu7ix0snN0B15",
        "reason": "requested_by_customer",
        "status": "succeeded",
    } | changes


def dispute(**changes: Any) -> dict[str, Any]:
    """Return a dispute that waits for our answer. Its metadata is its own, not the payment's."""
    return {
        "id": "du_1MtJUT2eZvKYlo2CNaw2HvEv",
        "object": "dispute",
        "amount": 4900,
        "created": 1_700_000_200,
        "currency": "usd",
        "charge": "ch_3MtwBwLkdIwHu7ix0snN0B15",
        "metadata": {},
        "payment_intent": INTENT_ID,
        "reason": "fraudulent",
        "status": "needs_response",
    } | changes


def event(kind: str, item: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a snapshot event about `item`."""
    return {
        "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
        "object": "event",
        "api_version": stripe._api_version._ApiVersion.CURRENT,
        "created": 1_700_000_300,
        "data": {"object": dict(item)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "type": kind,
    } | changes


def encoded(content: Mapping[str, Any]) -> bytes:
    """Return `content` as Stripe would send it: indented, which the signature covers as well."""
    return json.dumps(content, indent=2).encode()


def signature(body: bytes, secret: str = SECRET, age_seconds: float = 0) -> str:
    """Return the header that Stripe's own library makes for `body`, signed `age_seconds` ago."""
    return stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(time.time() - age_seconds)
    )
