"""The order's row in the ledger: what is known of it without asking the order service."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from coordinator import Ledgered, StateTable
from coordinator.orders import states


class Order(Ledgered):
    """One order. Rows are written by `record_change` alone; its payments touch it."""

    resource_name: ClassVar[str] = "order"
    state_table: ClassVar[StateTable] = states.TABLE
    owner_column: ClassVar[str] = "lms_user_id"

    lms_user_id = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Who may read it; empty: only staff."
    )
    status = models.CharField(max_length=32, help_text="The state that the order service names.")
    total = models.BigIntegerField(default=0, help_text="What it costs, in minor units.")
    currency = models.CharField(max_length=3, help_text="ISO 4217, lower case.")

    class Meta:
        """Amounts and states that can't be are refused by the database as well."""

        constraints = [
            models.CheckConstraint(
                condition=Q(total__gte=0),
                name="order_total_not_negative",
                violation_error_message="Amounts are never negative.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(states.TABLE.names)),
                name="order_state_known",
                violation_error_message="The state is one of the table's.",
            ),
        ]
        indexes = [
            # The open ones are few, and asked for every minute.
            models.Index(
                fields=["number"],
                condition=Q(state__in=sorted(states.TABLE.open_names)),
                name="order_open",
            ),
            models.Index(fields=["changed_at"], name="order_changed"),
        ]

    def derive_state(self) -> str:
        """Return the state that the order service names."""
        return self.status
