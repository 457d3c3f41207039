"""Orders as a Django app."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Tells the ledger what an order is."""

    name = "coordinator.orders"
    label = "coordinator_orders"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Orders"
