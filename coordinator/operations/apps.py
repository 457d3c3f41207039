"""Operations as a Django app."""

from django.apps import AppConfig
from django.conf import settings


class OperationsConfig(AppConfig):
    """Starts what operators look at."""

    name = "coordinator.operations"
    label = "coordinator_operations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Count from the beginning."""
        # Here, for it needs the models.
        from coordinator.operations.metrics import feeding

        feeding.start()
        if getattr(settings, "COORDINATOR_STATUS", False):
            from coordinator.operations.status import counting

            counting.start()
