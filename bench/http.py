"""A client that costs next to nothing: whatever it spends is counted for both sides of a ratio."""

import socket
from types import TracebackType
from typing import Self


class Client:
    """One kept-alive HTTP/1.1 connection that asks for the same thing again and again."""

    def __init__(self, server: str, path: str, token: str = "") -> None:
        """Take the server as ``host:port``, and whose token to send."""
        host, _, port = server.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        header = f"Authorization: JWT {token}\r\n" if token else ""
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n".encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, times: int) -> None:
        """Ask so many times, one after the other. Raise RuntimeError for anything but a 200."""
        for _ in range(times):
            self.send()
            self.receive()

    def send(self) -> None:
        """Send the request."""
        self._socket.sendall(self._request)

    def receive(self) -> bytes:
        """Return the answer's body."""
        data = self._socket.recv(65_536)
        head, gap, body = data.partition(b"\r\n\r\n")
        while not gap:
            data += self._more()
            head, gap, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace")[:300])
        start = head.lower().index(b"content-length:") + len(b"content-length:")
        length = int(head[start:].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        more = self._socket.recv(65_536)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more


def ask_together(clients: list[Client], times: int) -> None:
    """Ask `times` times in all, with all clients' requests under way at the same time."""
    for _ in range(max(1, times // len(clients))):
        for client in clients:
            client.send()
        for client in clients:
            client.receive()
