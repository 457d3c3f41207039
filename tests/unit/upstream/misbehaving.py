"""An upstream on loopback that does to its clients, in order, what a test tells it to.

Each answer is used once, the last one for ever. Whatever takes long ends when the server closes.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase


@dataclass(frozen=True)
class Request:
    """What the server was sent, and when (monotonic seconds)."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float


#: Sends something over the connection; returns True if the connection can carry on.
Behaviour = Callable[[socket.socket, "Upstream"], bool]


@dataclass
class Upstream:
    """A running server and what it has seen."""

    behaviours: list[Behaviour]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def arrivals(self) -> list[float]:
        with self.lock:
            return [request.at for request in self.requests]

    def answer_with(self, *behaviours: Behaviour) -> None:
        """Replace what is still to come."""
        with self.lock:
            self.behaviours = list(behaviours)

    def next_behaviour(self, request: Request) -> Behaviour:
        with self.lock:
            self.requests.append(request)
            self.arrived.set()
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


def answer(
    status: int = 200,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    after_seconds: float = 0,
) -> Behaviour:
    """Answer properly, `after_seconds`."""

    def behave(connection: socket.socket, upstream: Upstream) -> bool:
        if after_seconds:
            upstream.closing.wait(after_seconds)
        head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in (headers or {}).items()]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return True

    return behave


def raw(content: bytes) -> Behaviour:
    """Send `content` as it is and close."""

    def behave(connection: socket.socket, upstream: Upstream) -> bool:
        connection.sendall(content)
        return False

    return behave


def hang_up(connection: socket.socket, upstream: Upstream) -> bool:
    """Close without a word."""
    return False


def stall(connection: socket.socket, upstream: Upstream) -> bool:
    """Say nothing, and keep the connection."""
    upstream.closing.wait()
    return False


def drip(head: bytes, every_seconds: float = 0.05) -> Behaviour:
    """Send `head`, then one byte at a time and never enough."""

    def behave(connection: socket.socket, upstream: Upstream) -> bool:
        connection.sendall(head)
        while not upstream.closing.wait(every_seconds):
            connection.sendall(b"x")
        return False

    return behave


def endless(connection: socket.socket, upstream: Upstream) -> bool:
    """Answer without ever coming to an end, as fast as the client reads."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while not upstream.closing.is_set():
        connection.sendall(chunk)
    return False


@contextmanager
def running(*behaviours: Behaviour) -> Iterator[Upstream]:
    """Yield a running upstream that behaves like that, `answer()` if nothing is said."""
    upstream = Upstream(list(behaviours) or [answer()])

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            super().setup()
            with upstream.lock:
                upstream.connections += 1

        def handle(self) -> None:
            try:
                while (request := _read(self.rfile)) is not None:
                    if not upstream.next_behaviour(request)(self.connection, upstream):
                        return
            except OSError:
                # The client has gone away, which is what many of these tests are about.
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        upstream.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield upstream
        finally:
            upstream.closing.set()
            server.shutdown()
            thread.join()


def _read(stream: BufferedIOBase) -> Request | None:
    line = stream.readline().decode()
    if not line:
        return None
    at = time.monotonic()
    method, target, _ = line.split(" ", 2)
    headers: dict[str, str] = {}
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body, at)


def busiest_second(arrivals: list[float]) -> int:
    """Return how many of `arrivals` are in the fullest second, wherever that begins."""
    moments = sorted(arrivals)
    first = most = 0
    for index, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, index - first + 1)
    return most
