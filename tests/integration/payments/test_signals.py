"""`payment_state_changed`: what the ledger tells of payments, and of nothing else."""

from typing import Any

import pytest

from coordinator.ledger.signals import state_changed
from coordinator.payments.models import Payment
from coordinator.payments.signals import payment_state_changed

_SAID = {"resource": "payment", "identifier": "EDX-1", "revision": 3, "state": "paid"}


@pytest.fixture
def heard() -> Any:
    """Yield the list of what `payment_state_changed` was sent with."""
    said: list[dict[str, Any]] = []

    def hear(sender: type, **fields: Any) -> None:
        fields.pop("signal")
        said.append({"sender": sender} | fields)

    payment_state_changed.connect(hear)
    yield said
    payment_state_changed.disconnect(hear)


def test_a_change_of_a_payment_is_passed_on(heard: list[dict[str, Any]]) -> None:
    state_changed.send_robust(sender=Payment, **_SAID)
    assert heard == [{"sender": Payment} | _SAID]


def test_a_change_of_anything_else_is_not(heard: list[dict[str, Any]]) -> None:
    state_changed.send_robust(sender=object, **_SAID)
    assert heard == []
