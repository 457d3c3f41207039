"""Sends hints: tasks whose message may be lost, since the beat finds the same work a little later.

Bells and refreshes are sent from requests, which must not wait for a broker that hangs. So all of
a process's hints go through one guarded publisher:

- It has a connection of its own, whose sockets wait ``COORDINATOR_HINT_TIMEOUT_SECONDS`` at most.
- One thread publishes at a time. In health a turn takes a millisecond, and the others wait for
  theirs; once a turn has taken as long as a socket may wait, they go without.
- After a failure nothing is tried for 5 s.

So a broker that hangs costs requests that come at one moment 0.2 s, and then none anything.
"""

import logging
import os
import threading
import time
from typing import Any, Final

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from kombu import Connection

from coordinator.celery import host
from coordinator.core import clock, conf

logger = logging.getLogger(__name__)

_QUIET_SECONDS: Final = 5.0


class _Publisher:
    """The publisher of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        # When the turn began that a thread has now.
        self._began: float | None = None
        self._quiet_until = float("-inf")
        # For the thread whose turn it is.
        self._connection: Connection | None = None
        self._connected_to: object = None

    def quiet(self) -> bool:
        """Return True if a failure is so recent that nothing is tried."""
        return clock.current().monotonic() < self._quiet_until

    def send(self, name: str, options: dict[str, Any]) -> bool:
        """Publish a task's message; return False if it was not tried, or failed."""
        if not self._begin():
            return False
        failed = True
        try:
            connection = self._connect(host.app())
            host.task(name).apply_async(connection=connection, retry=False, **options)
            failed = False
        except SoftTimeLimitExceeded:
            # The task in which this happens has to end.
            raise
        except Exception as error:  # noqa: BLE001  # of which kind is the transport's affair
            logger.warning("hint.unsent", extra={"task": name, "error": type(error).__name__})
        finally:
            self._end(failed=failed)
        return not failed

    def _begin(self) -> bool:
        with self._turn:
            while self._began is not None:
                left = self._began + conf.seconds("HINT_TIMEOUT") - time.monotonic()
                if left <= 0:
                    return False
                self._turn.wait(left)
            if self.quiet():
                return False
            self._began = time.monotonic()
            return True

    def _end(self, *, failed: bool) -> None:
        if failed:
            self._disconnect()
        with self._turn:
            self._began = None
            if failed:
                self._quiet_until = clock.current().monotonic() + _QUIET_SECONDS
            self._turn.notify_all()

    def _connect(self, app: Celery) -> Connection:
        """Return the connection to the broker that the app's configuration names now."""
        wanted = (app.conf.broker_write_url, app.conf.broker_transport_options)
        if self._connection is None or self._connected_to != wanted:
            self._disconnect()
            self._connection = _short_tempered(app.connection_for_write())
            self._connected_to = wanted
        self._connection.ensure_connection(max_retries=0)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                # Unlike close, it does not ask a broker that may hang.
                connection.collect()
            except Exception as error:  # noqa: BLE001  # it is forgotten all the same
                logger.debug("hint.disconnected", extra={"error": type(error).__name__})


def _short_tempered(connection: Connection) -> Connection:
    """Give up early whatever the broker doesn't do, as far as its kind of transport can."""
    seconds = conf.seconds("HINT_TIMEOUT")
    connection.connect_timeout = seconds
    limits: dict[str, float] = {}
    match connection.get_transport_cls().driver_type:
        case "redis":
            limits = {
                "socket_timeout": seconds,
                "socket_connect_timeout": seconds,
                # A question before the message would be one more that may hang.
                "health_check_interval": 0,
            }
        case "amqp":
            limits = {"read_timeout": seconds, "write_timeout": seconds}
    connection.transport_options = {**(connection.transport_options or {}), **limits}
    return connection


_publisher = _Publisher()


def _start_afresh() -> None:
    """Use nothing of the parent's: its connection, and a lock that a thread there may hold."""
    global _publisher
    _publisher = _Publisher()


os.register_at_fork(after_in_child=_start_afresh)


def quiet() -> bool:
    """Return True if hints are not sent now, so that a caller can spare the preparations."""
    return _publisher.quiet()


def send(name: str, **options: Any) -> bool:
    """Enqueue the task ``coordinator.<name>``; return True if its message was sent.

    `options` are those of Celery's ``apply_async``. Never raises for what the broker, or an address
    that names none, do. In eager mode the task runs here and now.
    """
    if host.app().conf.task_always_eager:
        host.task(name).apply_async(**options)
        return True
    return _publisher.send(name, options)
