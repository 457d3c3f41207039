"""The warmer as a Django app."""

from django.apps import AppConfig


class WarmerConfig(AppConfig):
    """Keeps what long work must remember: switches, watermarks and findings."""

    name = "coordinator.warmer"
    label = "coordinator_warmer"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Warmer"
