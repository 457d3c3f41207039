"""The ledger as a Django app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Holds the change log; the models that are ledgered belong to the apps that define them."""

    name = "coordinator.ledger"
    label = "coordinator_ledger"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Let queries ask with ``__among``."""
        from coordinator.ledger import lookups  # noqa: F401  # registers itself
