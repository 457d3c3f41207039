"""A forward proxy that leads to one port of this machine, whatever name it is asked for."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class ForwardProxy:
    """Keeps the head of each request that reached it; CONNECT gets a tunnel, the rest is passed."""

    def __init__(self, leads_to: int) -> None:
        self.heads: list[bytes] = []
        self._leads_to = ("127.0.0.1", leads_to)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in (self._listening, *self._sockets):
            # Wakes the thread that waits for it, which closing alone does not.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.heads.append(head)
        server = socket.create_connection(self._leads_to)
        self._sockets += [client, server]
        if head.startswith(b"CONNECT"):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server.sendall(head)
        self._begin(self._pump, server, client)
        self._pump(client, server)

    def _begin(self, work: Callable[..., None], *of: socket.socket) -> None:
        thread = threading.Thread(target=work, args=of)
        self._threads.append(thread)
        thread.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
