"""Webhooks: whatever body and signature, no 5xx, and nothing recorded that was not signed."""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from coordinator.ledger.models import Change
from coordinator.payments import providers
from coordinator.upstream.errors import UpstreamNotFound
from tests.fuzz.budget import Progress, share
from tests.unit.payments import stripe_samples as samples

FINE = frozenset({200, 400, 409, 413, 415, 422})
KINDS = [
    ("payment_intent.succeeded", samples.succeeded),
    ("payment_intent.processing", samples.intent),
    ("charge.refunded", samples.charge),
    ("charge.refund.updated", samples.refund),
    ("charge.dispute.created", samples.dispute),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def spoilt_events(draw: st.DrawFn) -> bytes:
    """Draw an event of Stripe's of which some fields are something else, or missing."""
    kind, make = draw(st.sampled_from(KINDS))
    event: dict[str, Any] = samples.event(kind, make(), id=f"evt_{draw(st.integers(0, 10**9))}")
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([event, event["data"], event["data"].get("object", {})]))
        if not isinstance(place, dict) or not place:
            continue
        name = draw(st.sampled_from(sorted(place)))
        if name in ("data", "object") and place is not event["data"].get("object"):
            continue
        if draw(st.booleans()):
            place[name] = draw(JSON)
        else:
            del place[name]
    return json.dumps(event).encode()


BODIES = (
    spoilt_events()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.text(max_size=200).map(str.encode)
)


@pytest.fixture(autouse=True)
def nobody_upstream(
    sqlite_ledger: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the provider know no payment but those that the events tell of."""
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]

    def fetch(upstream_id: str) -> None:
        raise UpstreamNotFound

    monkeypatch.setattr(providers.current(), "fetch", fetch)


def test_a_signed_body_of_any_content_is_recorded_or_refused() -> None:
    client, progress = Client(raise_request_exception=False), Progress("signed bodies")

    @share(25)
    @given(body=BODIES)
    def send(body: bytes) -> None:
        progress.tick()
        before = Change.objects.count()
        answer = client.post(
            "/webhooks/stripe/",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": samples.signature(body)},
        )
        assert answer.status_code in FINE, answer.content
        # Nothing is lost: what was taken stands in the log, and what was refused does not.
        said = json.loads(answer.content) if answer.status_code == 200 else {}
        recorded = said.get("outcome") in ("applied", "out_of_date")
        assert Change.objects.count() == before + recorded

    send()


def test_an_unsigned_body_changes_nothing_whatever_its_signature_says() -> None:
    client, progress = Client(raise_request_exception=False), Progress("signatures")
    headers = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=120)
    guesses = st.builds("t={},v1={}".format, st.integers(-(10**12), 10**12), headers)

    @share(25)
    @given(body=BODIES | st.binary(max_size=400), header=headers | guesses)
    def send(body: bytes, header: str) -> None:
        progress.tick()
        answer = client.post(
            "/webhooks/stripe/",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": header},
        )
        # 415: a client without a body names no content type.
        assert answer.status_code == (400 if body else 415), answer.content
        assert not Change.objects.exists()

    send()
