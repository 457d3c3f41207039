"""The shop's own Celery app. What comes from coordinator is merged in."""

import os

from celery import Celery

from coordinator.celery.schedule import beat_schedule, task_routes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "redis://127.0.0.1:6379/0"))
app.conf.task_default_queue = "shop"
app.conf.task_routes = task_routes()
app.autodiscover_tasks()


@app.on_after_configure.connect
def schedule(sender: Celery, **_: object) -> None:
    """Merge the beat's schedule in, once Django's settings can be read."""
    sender.conf.beat_schedule = {**sender.conf.beat_schedule, **beat_schedule()}
