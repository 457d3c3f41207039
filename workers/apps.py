"""The workers as a Django app, named by string in INSTALLED_APPS and by nobody else."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Connects the receivers: this is how a signal reaches Celery and nobody imports it."""

    name = "workers"

    def ready(self) -> None:
        """Import what connects itself to signals."""
        from workers import exposing, lifecycle, receivers  # noqa: F401  # connect at import
