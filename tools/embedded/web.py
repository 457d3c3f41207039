"""The web server, on threads of this process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import waitress
from django.contrib.staticfiles.handlers import StaticFilesHandler
from waitress import wasyncore

from coordinator.errors import CoordinatorError

HOST = "127.0.0.1"
_THREADS = 24
_STOP_SECONDS = 5
_LONGEST_WAIT_SECONDS = 1.0
_SHORT_WAIT_SECONDS = 0.05


class PortTaken(CoordinatorError):
    """Choose another port, `make run PORT=8010` (0: any free one); this one can't be used."""

    permanent = True


def bind(port: int) -> socket.socket:
    """Return a socket bound to `port` of 127.0.0.1, or to any free one for 0; raise PortTaken."""
    listener = socket.socket()
    # A port whose last connections are still being said goodbye to is free all the same.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"{port} ({error.strerror})") from error
    return listener


@contextmanager
def serving(listener: socket.socket) -> Iterator[None]:
    """Serve the project on `listener`, and close it, for as long as the block takes.

    Requests that are being answered when it ends are answered; waitress gives them five seconds.
    """
    from coordinator.wsgi import application  # sets Django up when imported

    server = _Server(application, listener)
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()


class _Server:
    """waitress, with an end: by itself it serves until an exception comes to its main thread."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        self._sockets: dict[int, object] = {}
        self._stopping = threading.Event()
        # The admin's style sheets come from the packages, as with runserver: no collectstatic.
        self._server = waitress.create_server(
            StaticFilesHandler(application),
            map=self._sockets,
            sockets=[listener],
            threads=_THREADS,
        )

    def run(self) -> None:
        """Serve until told to stop, and until the last answers are sent."""
        while not self._stopping.is_set():
            self._serve(_LONGEST_WAIT_SECONDS)
        self._server.accepting = False
        for channel in self._server.active_channels.values():
            channel.close_when_flushed = True
        until = time.monotonic() + _STOP_SECONDS
        while self._server.active_channels and time.monotonic() < until:
            self._serve(_SHORT_WAIT_SECONDS)
        wasyncore.close_all(self._sockets)

    def stop(self) -> None:
        """Let the requests under way be answered, then let `run` return."""
        self._server.task_dispatcher.shutdown(timeout=_STOP_SECONDS)
        self._stopping.set()
        self._server.pull_trigger()

    def _serve(self, longest_seconds: float) -> None:
        """Wait until something happens on the sockets, and see to it."""
        wasyncore.loop(timeout=longest_seconds, map=self._sockets, count=1)
