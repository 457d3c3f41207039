"""The shop: a service of its own, which had Celery and a cache before it met coordinator."""

from shop.celery import app

__all__ = ["app"]
