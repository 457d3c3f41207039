"""The Celery adapters as a Django app."""

from django.apps import AppConfig


class CeleryConfig(AppConfig):
    """Registers the tasks and connects the receivers to their signals."""

    name = "coordinator.celery"
    label = "coordinator_celery"
    verbose_name = "Celery tasks"

    def ready(self) -> None:
        """Import what registers or connects itself."""
        from coordinator.celery import (
            checks,  # noqa: F401  # registers at import
            host,
            lifecycle,  # noqa: F401  # connects at import
            receivers,  # noqa: F401  # connects at import
            tasks,  # noqa: F401  # registers at import
        )

        host.remember()
