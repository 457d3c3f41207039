"""The cache as a Django app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Keys, entries, the pointer and the lease; no models of its own."""

    name = "coordinator.core"
    label = "coordinator_core"
    verbose_name = "Cache"
