"""This service's Celery app as a Django app, so that every process has it."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes this service's Celery app the current one, and shows the metrics of its workers."""

    name = "workers"

    def ready(self) -> None:
        """Import what connects itself to signals."""
        from workers import exposing  # noqa: F401  # connects at import
