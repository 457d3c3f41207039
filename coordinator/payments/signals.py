"""The signal of payments alone: the ledger's `state_changed`, for the one model that they have."""

from django.dispatch import Signal

from coordinator import state_changed

#: A payment's change was committed. Sent with ``resource``, ``identifier``, ``revision``, ``state``
#: and ``change_id``, as the ledger's `state_changed` is.
payment_state_changed = Signal()


def connect(model: type) -> None:
    """Send `payment_state_changed` for each `state_changed` of `model` from now on."""
    state_changed.connect(_pass_on, sender=model, dispatch_uid="payments.state_changed")


def _pass_on(sender: type, **fields: object) -> None:
    fields.pop("signal", None)
    payment_state_changed.send_robust(sender=sender, **fields)
