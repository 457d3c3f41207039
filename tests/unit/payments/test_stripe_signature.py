"""The signature of Stripe's webhooks: who may speak, and for how long what they said counts."""

import time

import pytest

from coordinator.payments.providers.base import BadSignature
from coordinator.payments.providers.stripe_webhooks import verify
from tests.unit.payments import stripe_samples as samples

BODY = samples.encoded(samples.event("payment_intent.succeeded", samples.succeeded()))


def check(body: bytes, header: str, *secrets: str) -> None:
    verify(body, header, secrets or (samples.SECRET,), tolerance_seconds=300)


def test_a_body_signed_by_stripes_own_library_passes() -> None:
    check(BODY, samples.signature(BODY))


def test_each_of_several_secrets_counts_while_they_are_rotated() -> None:
    check(BODY, samples.signature(BODY, "whsec_old"), "whsec_old", "whsec_new")
    check(BODY, samples.signature(BODY, "whsec_new"), "whsec_old", "whsec_new")
    with pytest.raises(BadSignature):
        check(BODY, samples.signature(BODY, "whsec_older"), "whsec_old", "whsec_new")


def test_a_header_with_signatures_of_both_secrets_passes_with_either() -> None:
    old, new = samples.signature(BODY, "whsec_old"), samples.signature(BODY, "whsec_new")
    both = f"{old},{new.split(',')[1]}"
    check(BODY, both, "whsec_old")
    check(BODY, both, "whsec_new")


def test_one_changed_byte_is_refused() -> None:
    with pytest.raises(BadSignature):
        check(BODY.replace(b"4900", b"4901"), samples.signature(BODY))


@pytest.mark.parametrize("age_seconds", [301, 86_400, -330])
def test_a_signature_outside_the_tolerance_is_refused_in_both_directions(
    age_seconds: float,
) -> None:
    with pytest.raises(BadSignature):
        check(BODY, samples.signature(BODY, age_seconds=age_seconds))


@pytest.mark.parametrize("age_seconds", [290, -290])
def test_clocks_may_differ_by_the_tolerance(age_seconds: float) -> None:
    check(BODY, samples.signature(BODY, age_seconds=age_seconds))


def test_a_timestamp_cannot_be_changed_to_make_an_old_signature_count() -> None:
    old = samples.signature(BODY, age_seconds=3600)
    signed = old.split(",")[1]
    with pytest.raises(BadSignature):
        check(BODY, f"t={int(time.time())},{signed}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        "=",
        "t=",
        "t",
        "v1=abc",
        "t=now,v1=abc",
        "t={now}",
        "t={now},v1=",
        "t={now},v0=abc",
        "t={now},v1=\u00e9\u00fc",
        f"t={'9' * 5000},v1=abc",
        f"t={'9' * 300},v1=abc",
        "t=1,v1=" + ",v1=x" * 10_000,
    ],
)
def test_a_header_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(BadSignature):
        check(BODY, header.replace("{now}", str(int(time.time()))))


def test_a_body_that_is_not_text_is_refused() -> None:
    with pytest.raises(BadSignature):
        check(b"\xff\xfe", samples.signature(BODY))


@pytest.mark.parametrize("secrets", [[], [""], ["  "]])
def test_without_a_secret_nothing_passes(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        verify(BODY, samples.signature(BODY), secrets, 300)


def test_the_refusal_carries_neither_body_nor_secret() -> None:
    with pytest.raises(BadSignature) as caught:
        check(BODY, "t=1,v1=abc")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert samples.SECRET not in repr(caught.value)
    assert "pi_" not in repr(caught.value)
