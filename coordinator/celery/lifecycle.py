"""Surrounds every task: with a clean request tier, and the correlation id of its sender.

Celery runs tasks one after the other in the same thread and has no request middleware: what a task
remembered in the request tier would be the next one's stale read, and grow for ever.
"""

from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.db import close_old_connections

from coordinator import correlation
from coordinator.core import cache

HEADER = "correlation_id_of_origin"


@before_task_publish.connect(dispatch_uid="workers.correlate")
def send_correlation_id(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Send the current correlation id along with a task."""
    if headers is not None and correlation.current():
        headers.setdefault(HEADER, correlation.current())


@task_prerun.connect(dispatch_uid="workers.begin")
def begin(task: Any = None, **_: object) -> None:
    """Start with nothing remembered, and with the correlation id that came along."""
    if task.request.is_eager:
        # An eager task runs inside a request, whose memory and id are not ours.
        return
    cache.clear_request_tier()
    close_old_connections()
    stack = ExitStack()
    stack.enter_context(correlation.bind(task.request.get(HEADER) or correlation.new_id()))
    task.request.bound = stack


@task_postrun.connect(dispatch_uid="workers.end")
def end(task: Any = None, **_: object) -> None:
    """Leave nothing behind."""
    if task.request.is_eager:
        return
    cache.clear_request_tier()
    close_old_connections()
    stack = task.request.get("bound")
    if stack is not None:
        stack.close()
