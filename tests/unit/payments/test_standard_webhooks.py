"""Signatures of the Standard Webhooks scheme."""

import base64
import time

import pytest

from coordinator.payments.providers.base import BadSignature
from coordinator.payments.providers.standard_webhooks import sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of some length").decode()
BODY = b'{"type":"payment.changed"}'


def headers(
    secret: str = SECRET, *, age_seconds: float = 0, changed: dict[str, str] | None = None
) -> dict[str, str]:
    timestamp = int(time.time() - age_seconds)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(BODY, "msg_1", timestamp, secret),
    } | (changed or {})


def test_the_published_example_of_the_scheme_has_the_published_signature() -> None:
    body = b'{"test": 2432232314}'
    made = sign(body, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, SECRET)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_body_passes_and_its_id_is_returned() -> None:
    assert verify(BODY, headers(), [SECRET], 300) == "msg_1"


def test_several_secrets_and_several_signatures_count_during_a_rotation() -> None:
    both = f"{headers(OTHER)['webhook-signature']} {headers()['webhook-signature']}"
    verify(BODY, headers(changed={"webhook-signature": both}), [SECRET], 300)
    verify(BODY, headers(OTHER), [SECRET, OTHER], 300)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\u0661"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,\u00e9"},
        {"webhook-signature": "v1a,AAAA v2,AAAA"},
    ],
)
def test_anything_else_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(BODY, headers(changed=changed), [SECRET], 300)


@pytest.mark.parametrize("age_seconds", [330, -330])
def test_the_tolerance_holds_in_both_directions(age_seconds: float) -> None:
    with pytest.raises(BadSignature):
        verify(BODY, headers(age_seconds=age_seconds), [SECRET], 300)


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["whsec_not base64!"]])
def test_without_a_usable_secret_nothing_passes(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        verify(BODY, headers(), secrets, 300)
