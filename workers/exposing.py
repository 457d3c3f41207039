"""Shows the metrics of workers and the beat, each on a port of its own, where one is set."""

import logging
from typing import Any
from wsgiref.simple_server import WSGIServer

from celery.signals import beat_init, worker_ready
from django.conf import settings

from coordinator.operations.metrics import MULTIPROCESS, directory, serving

logger = logging.getLogger(__name__)


@worker_ready.connect(dispatch_uid="workers.expose")
def expose_worker(sender: Any = None, **_: object) -> WSGIServer | None:
    """Show what a worker counts, its children included; return the server, None without one."""
    if _forks(sender) and settings.COORDINATOR_METRICS_PORT and directory() is None:
        # Its children do the work, and what they count stays in them; and a thread that reads
        # what the main process counts could hold a lock at the moment of a fork.
        logger.warning("metrics.unserved", extra={"why": f"prefork needs {MULTIPROCESS}"})
        return None
    return _serve()


@beat_init.connect(dispatch_uid="workers.expose")
def expose_beat(**_: object) -> WSGIServer | None:
    """Show what the beat counts; return the server, None without one."""
    return _serve()


def _forks(consumer: Any) -> bool:
    from celery.concurrency import prefork  # a web process, which imports this too, needs none

    return isinstance(consumer.pool, prefork.TaskPool)


def _serve() -> WSGIServer | None:
    if not settings.COORDINATOR_METRICS_PORT:
        return None
    return serving.serve(settings.COORDINATOR_METRICS_HOST, settings.COORDINATOR_METRICS_PORT)
