"""The web server, on threads of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import waitress
from django.contrib.staticfiles.handlers import StaticFilesHandler
from waitress import wasyncore

from coordinator.errors import CoordinatorError

HOST = "127.0.0.1"
_THREADS = 24
_STOP_SECONDS = 5


class PortTaken(CoordinatorError):
    """Choose another port with --port, or any free one with --port 0; this one can't be used."""

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

    open_sockets: dict[int, object] = {}
    # The admin's style sheets come from the packages, as with runserver: no collectstatic first.
    server = waitress.create_server(
        StaticFilesHandler(application), map=open_sockets, sockets=[listener], threads=_THREADS
    )
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    try:
        yield
    finally:
        server.task_dispatcher.shutdown(timeout=_STOP_SECONDS)
        # In the server's own thread, whose loop ends when nothing is left to listen to.
        server.trigger.pull_trigger(lambda: wasyncore.close_all(open_sockets))
        thread.join()
