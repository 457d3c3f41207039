"""The shop's own tasks."""

from typing import Any

from celery import shared_task
from django.core.cache import cache


@shared_task(bind=True)
def print_receipt(self: Any, number: str) -> None:
    """Print a receipt, and remember through which queue the order for it came."""
    cache.set(f"receipt:{number}", {"queue": self.request.delivery_info["routing_key"]})
