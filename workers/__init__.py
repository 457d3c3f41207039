"""Everything asynchronous: the Celery app and what runs in it."""

from workers.app import app

__all__ = ["app"]
