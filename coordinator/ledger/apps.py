"""The ledger as a Django app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Holds the change log; the models that are ledgered belong to the apps that define them."""

    name = "coordinator.ledger"
    label = "coordinator_ledger"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Let queries ask with ``__among``, check the models, refuse those that show themselves."""
        from coordinator.ledger import checks, containment, lookups  # noqa: F401  # registering

        containment.check()
