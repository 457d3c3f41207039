"""Surrounds every task: with a clean request tier, and the correlation id of its sender.

Celery runs tasks one after the other in the same thread and has no request middleware: what a task
remembered in the request tier would be the next one's stale read, and grow for ever.
"""

import math
from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.db import close_old_connections

from coordinator import correlation
from coordinator.core import cache, clock, register

HEADER = "correlation_id_of_origin"
#: The register of when each of our tasks last ended, and how.
TASKS = "tasks"
_NOTE_EVERY_SECONDS = 5.0

_noted: dict[str, float] = {}


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
def end(task: Any = None, state: str | None = None, **_: object) -> None:
    """Note that it ended, and leave nothing behind."""
    if task.request.is_eager:
        return
    _note(str(task.name), state or "")
    cache.clear_request_tier()
    close_old_connections()
    stack = task.request.get("bound")
    if stack is not None:
        stack.close()


def _note(name: str, state: str) -> None:
    """Note when the task last ended; those that end all the time, every few seconds."""
    now = clock.current().monotonic()
    if (
        not name.startswith("coordinator.")
        or now < _noted.get(name, -math.inf) + _NOTE_EVERY_SECONDS
    ):
        return
    _noted[name] = now
    register.note(TASKS, name.removeprefix("coordinator."), state)
