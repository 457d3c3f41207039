"""A real Celery worker and a real beat, on threads of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import beat, signals
from celery.worker import WorkController, state

from coordinator.celery.tasks import settle
from coordinator.errors import CoordinatorError
from tools.report.troubles import Troubles
from workers.app import app
from workers.beating import BeatingInMemory

_QUEUES = "default,settle,warm"
_THREADS = 4
# Beat sleeps until its next task is due, and sees only then that it should end.
_LONGEST_SLEEP_SECONDS = 0.2


class WorkerFailed(CoordinatorError):
    """The Celery worker did not start."""


class _Worker(WorkController):
    """A worker that tells when it is ready. Signals stay the command's: it installs no handlers."""

    def __init__(self, **options: Any) -> None:
        self.ready = threading.Event()
        super().__init__(**options)

    def on_consumer_ready(self, consumer: object) -> None:  # noqa: ARG002  # Celery's signature
        """Raise in the thread that started it."""
        self.ready.set()

    def run(self) -> None:
        """Work until told to stop, and don't let anybody wait for one that failed."""
        try:
            self.start()
        finally:
            self.ready.set()


@contextmanager
def working(troubles: Troubles) -> Iterator[None]:
    """Run a worker for all queues for as long as the block takes; tasks under way are finished.

    A task that raised counts as an error. Raise WorkerFailed if it does not start.
    """

    def failed(sender: object = None, exception: object = None, **_: object) -> None:
        name = getattr(sender, "name", sender)
        troubles.add("tasks", f"task {name} raised {type(exception).__name__}")

    signals.task_failure.connect(failed, weak=False)
    signals.task_internal_error.connect(failed, weak=False)
    worker = _Worker(
        app=app,
        hostname="embedded@localhost",
        pool="threads",
        concurrency=_THREADS,
        queues=_QUEUES,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    # What the worker's command does: the pool's threads have no current app, and would look the
    # task up in whichever app of this process came first.
    app.set_default()
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        worker.ready.wait()
        if worker.exitcode is not None:
            raise WorkerFailed
        yield
    finally:
        # What a signal handler would do. The worker looks at it between two messages, or after two
        # seconds without any, and then goes round once more: so it gets two.
        state.should_stop = 0  # type: ignore[assignment]  # None or an exit code, untyped
        for _ in range(2):
            settle.delay()
        thread.join()
        state.should_stop = None
        signals.task_failure.disconnect(failed)
        signals.task_internal_error.disconnect(failed)


@contextmanager
def ticking() -> Iterator[None]:
    """Run a beat for as long as the block takes; its schedule is kept in memory alone."""
    service = beat.Service(
        app,
        max_interval=_LONGEST_SLEEP_SECONDS,  # type: ignore[arg-type]  # any number of seconds
        scheduler_cls=BeatingInMemory,
    )
    thread = threading.Thread(target=service.start, name="beat")
    thread.start()
    try:
        yield
    finally:
        service.stop()
        thread.join()
