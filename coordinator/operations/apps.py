"""Operations as a Django app."""

from django.apps import AppConfig

from coordinator import checks


class OperationsConfig(AppConfig):
    """Registers the checks of the settings, and what operators look at."""

    name = "coordinator.operations"
    label = "coordinator_operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Have every command begin with a look at the settings, and count from the beginning."""
        # Here, for it needs the models.
        from coordinator.operations.metrics import feeding

        checks.register()
        feeding.start()
