"""Finds the host's Celery app, in any thread.

Celery keeps the current app per thread, and a thread without one gets a default app that knows
neither the host's broker nor its queues: a shared task that is sent from a web server's thread
would go there. So the app is looked up once, by the thread that starts Django.
"""

from typing import Any

from celery import Celery, _state
from django.core.exceptions import ImproperlyConfigured

_app: Celery | None = None


def remember() -> None:
    """Remember the app that is current in this thread: called when Django has started."""
    global _app
    # Private API of Celery 5.7: the public `celery.current_app` is a proxy, which asks again in
    # each thread that uses it.
    _app = _state.get_current_app()


def app() -> Celery:
    """Return the app that sends and runs our tasks."""
    if _app is None:
        raise ImproperlyConfigured("coordinator.celery is not among INSTALLED_APPS")
    return _app


def task(name: str) -> Any:
    """Return the task ``coordinator.<name>`` as registered with the host's app.

    By name, so that modules which the tasks import can send tasks; unlike ``send_task`` it respects
    eager mode and the task's own options.
    """
    return app().tasks[f"coordinator.{name}"]
