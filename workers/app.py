"""The Celery app: ``celery -A workers worker``, ``celery -A workers beat``."""

import os

from celery import Celery

from workers import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings.development")
broker.use()

app = Celery("workers")
app.config_from_object("celeryconfig")
app.autodiscover_tasks(["workers"])


@app.on_after_configure.connect
def _schedule(sender: Celery, **_: object) -> None:
    from coordinator.celery.schedule import beat_schedule  # settings must be ready

    sender.conf.beat_schedule = beat_schedule()
