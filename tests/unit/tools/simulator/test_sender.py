"""Webhooks are signed as Stripe signs them."""

import pytest
import stripe

from tools.simulator.sender import sign

BODY = b'{"object": "event", "text": "na\xc3\xafve"}'


def test_the_signature_is_the_one_that_stripes_library_makes() -> None:
    expected = stripe.WebhookSignature.generate_signature_header(
        BODY.decode(), "whsec_a", timestamp=1_700_000_000
    )
    assert sign(BODY, "whsec_a", 1_700_000_000.9) == expected


@pytest.mark.parametrize(("body", "secret"), [(BODY + b" ", "whsec_a"), (BODY, "whsec_b")])
def test_it_holds_for_this_body_and_this_secret_alone(body: bytes, secret: str) -> None:
    header = sign(BODY, "whsec_a", 1_700_000_000)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body, header, secret)
