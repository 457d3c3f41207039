"""Payments as a Django app."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Tells the core what a payment is."""

    name = "coordinator.payments"
    label = "coordinator_payments"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Payments"

    def ready(self) -> None:
        """Register the resource, now that models and settings can be used, and the checks."""
        from coordinator.payments import checks, signals  # noqa: F401  # checks register themselves
        from coordinator.payments.models import Payment
        from coordinator.payments.resource import register_payments
        from coordinator.web import fast_read

        register_payments()
        signals.connect(Payment)
        fast_read.serve("/api/v1/payments/", Payment.resource_name)
