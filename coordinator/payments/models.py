"""The payment's row in the ledger: what is known of it without asking the provider."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q

from coordinator import Ledgered, StateTable, Touch, is_identifier
from coordinator.payments import states
from coordinator.payments.amounts import in_words as amounts_in_words


class Payment(Ledgered):
    """One payment. Rows are written by `record_change` alone; amounts are in minor units."""

    resource_name: ClassVar[str] = "payment"
    state_table: ClassVar[StateTable] = states.TABLE
    owner_column: ClassVar[str] = "lms_user_id"
    containers: ClassVar[tuple[str, ...]] = ("order",)

    class Dispute(models.TextChoices):
        """What the payment's disputes amount to."""

        NONE = "", "none"
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    provider = models.CharField(max_length=32, help_text="The provider that holds it.")
    lms_user_id = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Who may read it; empty: only staff."
    )
    order_reference = models.CharField(max_length=255, blank=True, db_index=True)
    intent_status = models.CharField(
        max_length=32, help_text="The state that the provider names, before refunds and disputes."
    )
    amount = models.BigIntegerField(help_text="Asked for, in minor units.")
    amount_received = models.BigIntegerField(default=0, help_text="Received, in minor units.")
    amount_refunded = models.BigIntegerField(default=0, help_text="Given back, in minor units.")
    currency = models.CharField(max_length=3, help_text="ISO 4217, lower case.")
    dispute = models.CharField(max_length=8, blank=True, choices=Dispute.choices)

    class Meta:
        """Amounts and states that can't be are refused by the database as well."""

        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=0, amount_received__gte=0, amount_refunded__gte=0),
                name="payment_amounts_not_negative",
                violation_error_message="Amounts are never negative.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(states.TABLE.names)),
                name="payment_state_known",
                violation_error_message="The state is one of the table's.",
            ),
            models.CheckConstraint(
                condition=Q(dispute__in=["", "open", "won", "lost"]),
                name="payment_dispute_known",
                violation_error_message="A dispute is open, won, lost, or not there.",
            ),
        ]
        indexes = [
            # The open ones are few, and asked for every minute.
            models.Index(
                fields=["number"],
                condition=Q(state__in=sorted(states.TABLE.open_names)),
                name="payment_open",
            ),
            models.Index(fields=["changed_at"], name="payment_changed"),
        ]

    def combine(self, words: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
        """Return the columns that the last words of intent, charges and disputes add up to."""
        return states.combine(words)

    def shown_in(self) -> Iterable[Touch]:
        """Yield the order that the payment is for, where its reference can name one of ours."""
        if is_identifier(self.order_reference):
            yield Touch("order", self.order_reference)

    def shown(self) -> Mapping[str, str]:
        """Return what members of staff are shown of it, amounts as people write them."""
        amounts = {
            name.replace("_", " "): amounts_in_words(getattr(self, name), self.currency)
            for name in ("amount", "amount_received", "amount_refunded")
        }
        return {**super().shown(), **amounts}

    def derive_state(self) -> str:
        """Return the highest-ranking state that the columns make hold."""
        return states.derive(
            self.intent_status, self.amount_received, self.amount_refunded, self.dispute
        )
