"""The heartbeats of workers and the beat, given by what must not hang: their own loops.

A worker's is asked for by its timer and given by its main loop, so neither may hang; the beat's
comes with each of its ticks. A process that waits for a broker that is down beats on: it
lives, and starting it anew would not bring the broker back. A task that runs on past the hard time
limit, in a pool that can't end it (threads), stops the beat of its worker: only a restart gets its
thread back.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from celery.beat import PersistentScheduler, Scheduler
from celery.worker import state
from celery.worker.consumer import Consumer
from django.conf import settings

from coordinator.core import register
from coordinator.operations import heartbeat
from coordinator.operations.metrics import declared

logger = logging.getLogger(__name__)

_NOTE_EVERY_SECONDS: Final = 15.0
# When each role of this process was noted last: an embedded run has both.
_noted_at: dict[str, float] = {}

# How long to wait between two attempts to connect: 1 s, 2 s, ... and 5 s from then on. Celery's own
# goes up to 30 s, for which a broker that has failed over long ago would go unused.
_RECONNECT: Final[dict[str, Any]] = {"interval_start": 1, "interval_step": 1, "interval_max": 5}


def beat(role: str) -> None:
    """Show that the process in this role lives: in its file, and as a metric. Never raises."""
    declared.HEARTBEAT.labels(role).set_to_current_time()
    _note(role)
    directory = settings.COORDINATOR_HEARTBEAT_DIR
    if not directory:
        return
    try:
        heartbeat.touch(Path(directory), role)
    except OSError as error:
        # Work goes on; the check of the file's age sees that something is wrong.
        logger.warning("heartbeat.unwritten", extra={"role": role, "error": type(error).__name__})


def _note(role: str) -> None:
    """Note this process among those that live, for the status page; every few beats will do."""
    now = time.monotonic()
    if now >= _noted_at.get(role, -_NOTE_EVERY_SECONDS) + _NOTE_EVERY_SECONDS:
        _noted_at[role] = now
        register.note(heartbeat.REGISTER, f"{role} {socket.gethostname()} {os.getpid()}", role)


def _answer() -> None:
    if not any_overdue(time.time()):
        beat("worker")


def any_overdue(now: float) -> bool:
    """Return True if a task runs that its hard time limit should have ended by `now`."""
    limit = settings.CELERY_TASK_TIME_LIMIT_SECONDS
    try:
        running = tuple(state.active_requests)
    except RuntimeError:
        # A thread of the pool has just begun or ended one: the next beat will look again.
        return False
    return any(request.time_start and now - request.time_start > limit for request in running)


class BeatingConsumer(Consumer):
    """Celery's own consumer, whose main loop beats; also while it waits for its broker."""

    def start(self) -> None:
        """Work until told to stop, and beat all the while."""
        beat("worker")
        # The timer may be a thread of its own, so it only asks: the answer is the main loop's.
        entry = self.timer.call_repeatedly(
            settings.COORDINATOR_HEARTBEAT_EVERY_SECONDS, self.call_soon, (_answer,)
        )
        try:
            super().start()
        finally:
            self.timer.cancel(entry)

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once there is one; waiting for it, now or later, beats as well."""
        # Private API of kombu 5.7: not through ensure_connection alone, because a lost connection
        # is also found, and waited for, in the middle of publishing an event.
        wait_for_it = conn._ensure_connection  # noqa: SLF001

        def wait_and_beat(
            *args: Any, callback: Callable[[], object] | None = None, **options: Any
        ) -> Any:
            def each_second() -> None:
                _answer()
                if callback is not None:
                    callback()

            return wait_for_it(*args, callback=each_second, **{**options, **_RECONNECT})

        conn._ensure_connection = wait_and_beat  # noqa: SLF001
        return super().ensure_connected(conn)


class BeatingInMemory(Scheduler):
    """Celery's own scheduler, which beats with each tick and while it waits for its broker.

    It keeps nothing on disk: for a beat that lives and ends with the rest of the system.
    """

    def tick(self, *args: Any, **options: Any) -> Any:
        """Do what is due, and return how long to wait until the next tick."""
        beat("beat")
        return super().tick(*args, **options)

    def _ensure_connected(self) -> Any:
        # Private API of Celery 5.7: as its own, but for the callback, which is called each second
        # of the waiting, and the pauses between attempts.
        return self.connection.ensure_connection(
            self._tell_of_failure,
            self.app.conf.broker_connection_max_retries,
            callback=partial(beat, "beat"),
            **_RECONNECT,
        )

    @staticmethod
    def _tell_of_failure(error: Exception, seconds: float) -> None:
        logger.error(
            "beat.unconnected", extra={"error": type(error).__name__, "again_in_seconds": seconds}
        )


class BeatingScheduler(BeatingInMemory, PersistentScheduler):
    """The same, which keeps on disk when each task was due last: for a beat of its own."""
