"""What the simulated provider knows of one payment: a frozen value, replaced at every change.

Since nothing is ever changed in place, an event can keep the payment as it was by reference, and
so can the reads that lag behind.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from tools.simulator.cards import Failure


class Status(StrEnum):
    """The statuses of a Stripe PaymentIntent."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Refund(Struct, frozen=True):
    """Money on its way back; only a failed refund no longer counts.

    `is_release` says that the money was authorized and never captured, so none was ours.
    """

    id: str
    amount: int
    created: int
    status: str
    reason: str | None = None
    failure_reason: str | None = None
    reference_known: bool = False
    is_release: bool = False
    metadata: Mapping[str, str] = {}

    @property
    def counts(self) -> bool:
        """Return whether its amount is refunded, or about to be."""
        return self.status != "failed"


class Dispute(Struct, frozen=True):
    """A cardholder's complaint at the bank; a status with warning_ in front is an inquiry."""

    id: str
    amount: int
    created: int
    status: str
    reason: str
    evidence_submitted: int = 0

    @property
    def is_inquiry(self) -> bool:
        """Return whether the bank only asks, and has withdrawn nothing so far."""
        return self.status.startswith("warning_")

    @property
    def is_open(self) -> bool:
        """Return whether the bank has not decided yet."""
        return self.status not in {"won", "lost", "warning_closed"}


class Charge(Struct, frozen=True):
    """One attempt to move money, failed or not. `method` names the test card that it used."""

    id: str
    amount: int
    created: int
    status: str
    method: str
    metadata: Mapping[str, str]
    captured: bool = False
    amount_captured: int = 0
    failure: Failure | None = None
    refunds: tuple[Refund, ...] = ()
    dispute: Dispute | None = None

    @property
    def amount_refunded(self) -> int:
        """Return what is refunded so far, in minor units, as Stripe counts it.

        What was authorized and never captured is released, and counts as refunded too.
        """
        return sum(refund.amount for refund in self.refunds if refund.counts)

    @property
    def amount_returned(self) -> int:
        """Return what of the captured money went back, in minor units."""
        returned = (each for each in self.refunds if each.counts and not each.is_release)
        return sum(refund.amount for refund in returned)


class Payment(Struct, frozen=True):
    """A PaymentIntent with all its charges, the latest one last.

    Stripe shows only the whole seconds of `created_at`, and neither `updated_at` nor `version`,
    which counts the changes from 1: those are for the REST interface.
    """

    id: str
    amount: int
    currency: str
    created_at: float
    updated_at: float
    metadata: Mapping[str, str]
    status: Status = Status.REQUIRES_PAYMENT_METHOD
    version: int = 1
    capture_method: str = "automatic"
    description: str | None = None
    method: str | None = None
    charges: tuple[Charge, ...] = ()
    failure: Failure | None = None
    failed_charge: str | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None

    @property
    def created(self) -> int:
        """Return when the payment was made, in whole seconds since the epoch."""
        return int(self.created_at)

    @property
    def latest_charge(self) -> Charge | None:
        """Return the charge of the newest attempt, None before the first one."""
        return self.charges[-1] if self.charges else None

    @property
    def amount_received(self) -> int:
        """Return what was captured, in minor units; refunds do not lower it."""
        charge = self.latest_charge
        return charge.amount_captured if charge and self.status is Status.SUCCEEDED else 0

    @property
    def amount_capturable(self) -> int:
        """Return what waits to be captured, in minor units."""
        return self.amount if self.status is Status.REQUIRES_CAPTURE else 0

    @property
    def number(self) -> str:
        """Return the merchant's own number of this payment, "" if its metadata has none."""
        return self.metadata.get("payment_number", "")

    def charge(self, charge_id: str) -> Charge:
        """Return the charge with this identifier, which must be one of this payment's."""
        return next(charge for charge in self.charges if charge.id == charge_id)
