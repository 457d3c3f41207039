"""Counts what passes between a client and a server, from outside of both: connections, round trips.

Whatever the client's code looks like, a round trip is a time that it sends and then waits for the
answer; so that is what is counted, on the wire.
"""

import selectors
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65_536
HOST = "127.0.0.1"


class Relay:
    """Passes bytes on between its own port and a server's; a context manager."""

    def __init__(self, server: str) -> None:
        """Take the server as ``host:port``."""
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.round_trips = 0
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._pairs: dict[socket.socket, socket.socket] = {}
        #: The clients that have been answered, or have not asked yet.
        self._answered: set[socket.socket] = set()
        self._clients: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for one in (*self._pairs, self._listener, self._wake, self._woken):
            one.close()
        self._selector.close()

    def reset(self) -> None:
        """Count from 0; call it while nothing is under way."""
        self.connections = self.round_trips = 0

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._server)
        for one, other in ((client, server), (server, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)
        self._clients.add(client)
        self._answered.add(client)
        self.connections += 1

    def _pass_on(self, source: socket.socket) -> None:
        target = self._pairs.get(source)
        if target is None:
            # Closed a moment ago, together with its other end.
            return
        try:
            data = source.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._close(source, target)
            return
        if source in self._clients:
            if source in self._answered:
                self._answered.discard(source)
                self.round_trips += 1
        else:
            self._answered.add(target)
        try:
            target.sendall(data)
        except OSError:
            self._close(source, target)

    def _close(self, *ends: socket.socket) -> None:
        for one in ends:
            self._selector.unregister(one)
            self._pairs.pop(one, None)
            self._clients.discard(one)
            self._answered.discard(one)
            one.close()
