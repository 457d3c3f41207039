"""The product's Celery app with the tasks of a measurement: ``celery -A bench.worker worker``."""

import django

# Before the tasks: they import models.
django.setup()

from bench import tasks  # noqa: E402, F401  # registers itself
from workers.app import app  # noqa: E402

__all__ = ["app"]
