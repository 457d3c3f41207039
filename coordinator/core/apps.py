"""The cache as a Django app."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CoreConfig(AppConfig):
    """Keys, entries, the pointer and the lease; no models of its own."""

    name = "coordinator.core"
    label = "coordinator_core"
    verbose_name = "Cache"

    def ready(self) -> None:
        """Register the system checks, and import each installed app's ``resources`` module."""
        from coordinator import checks

        checks.register()
        autodiscover_modules("resources")
