"""Senders who send a body one byte at a time, and begin again as soon as they are refused."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Final, Self

_PAUSE_SECONDS: Final = 0.05
_HEAD: Final = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    "Content-Length: 100000\r\n\r\n"
)


class SlowSenders:
    """So many connections to `host`:`port`, kept up from a thread of their own within the block.

    `answers` counts the statuses that senders were refused with.
    """

    def __init__(self, host: str, port: int, *, many: int, path: str) -> None:
        self.answers: dict[int, int] = {}
        self._address = (host, port)
        self._many = many
        self._head = _HEAD.format(path=path, host=f"{host}:{port}").encode()
        self._connections: list[socket.socket] = []
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._send, name="slow-senders", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        try:
            while not self._ended.wait(_PAUSE_SECONDS):
                self._connections = [one for one in self._connections if self._goes_on(one)]
                while len(self._connections) < self._many:
                    self._connections.append(self._begin())
                self._begun.set()
        finally:
            # Nothing waits for what can't begin.
            self._begun.set()
            for connection in self._connections:
                connection.close()

    def _begin(self) -> socket.socket:
        connection = socket.socket(socket.AF_INET)
        connection.settimeout(1.0)
        with contextlib.suppress(OSError):
            connection.connect(self._address)
            connection.sendall(self._head)
        connection.setblocking(False)
        return connection

    def _goes_on(self, connection: socket.socket) -> bool:
        """Send one more byte; return False, and close it, if this connection was answered."""
        try:
            connection.send(b" ")
            answer = connection.recv(64)
        except BlockingIOError:
            return True
        except OSError:
            answer = b""
        if answer:
            status = int(answer.split()[1])
            self.answers[status] = self.answers.get(status, 0) + 1
        connection.close()
        return False
