"""The faults' numbers are checked, and keys tell the service from its shoppers."""

from base64 import b64encode
from typing import Any

import pytest

from tools.simulator.clients import Client, Keys
from tools.simulator.errors import StripeError
from tools.simulator.faults import Faults, InvalidFaults, change_faults, fault_options

KEYS = Keys(service="sk_test_service", shopper="sk_test_shopper")


def test_a_change_leaves_the_other_faults_alone() -> None:
    before = Faults(latency_ms=5, error_rate=0.5)
    after = change_faults(before, {"latency_ms": 7})
    assert (after.latency_ms, after.error_rate) == (7, 0.5)
    assert before.latency_ms == 5


@pytest.mark.parametrize(
    "change",
    [
        {"error_rate": 1.01},
        {"error_rate": -0.1},
        {"latency_ms": "soon"},
        {"lag_seconds": 10_000},
        {"rate_limit_rps": 1.5},
        {"no_such_fault": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidFaults):
        change_faults(Faults(), change)


def test_every_fault_is_an_option_with_an_explanation() -> None:
    options = {option.field: option for option in fault_options()}
    assert options.keys() == set(Faults.__struct_fields__)
    assert all(option.description for option in options.values())
    assert options["rate_limit_rps"].type is int
    assert options["latency_ms"].default == 80


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("Bearer sk_test_service", Client.SERVICE),
        ("bearer sk_test_shopper", Client.SHOPPER),
        (f"Basic {b64encode(b'sk_test_service:').decode()}", Client.SERVICE),
    ],
)
def test_a_key_says_who_asks(header: str, client: Client) -> None:
    assert KEYS.identify(header) is client


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer sk_test_servic", "Token sk_test_service", "Basic !", "Bearer é"],
)
def test_who_has_no_key_is_refused_without_being_told_it(header: str | None) -> None:
    refusal = KEYS.identify(header)
    assert isinstance(refusal, StripeError)
    assert refusal.status == 401
    assert KEYS.service not in str(refusal.body)
