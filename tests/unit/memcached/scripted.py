"""A server that answers what the test wants said, right or wrong."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WAIT_SECONDS = 5.0


class Scripted(NamedTuple):
    """A running scripted server: where it is, and an event that tells that its client left."""

    address: str
    client_left: threading.Event


@contextlib.contextmanager
def scripted_server(*answers: bytes | Sequence[bytes]) -> Iterator[Scripted]:
    """Serve one connection: one answer for each command, in pieces if it is a sequence.

    The pieces are sent a twentieth of a second apart. After the last answer it closes.
    """
    left = threading.Event()
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError), listener, listener.accept()[0] as client:
            client.settimeout(WAIT_SECONDS)
            for answer in answers:
                client.recv(65_536)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    client.sendall(piece)
                    if not isinstance(answer, bytes):
                        ended.wait(0.05)
            client.shutdown(socket.SHUT_WR)
            if not client.recv(1):
                left.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Scripted("{}:{}".format(*listener.getsockname()), left)
    finally:
        ended.set()
        # Wakes a server that nobody connected to.
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        thread.join()
