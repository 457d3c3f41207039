"""The deadline that all attempts and reads of one call share.

A read timeout bounds the silence between two bytes: a server that sends one byte a second keeps a
reader for as long as it likes. So every read from the socket waits for the read timeout or for what
is left of the call, whichever is shorter.
"""

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """A moment on the monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, 0 once it has passed."""
        return max(0.0, self._at - self._clock())

    def bound(self, seconds: float | None) -> float:
        """Return `seconds`, or what is left if that is less; raise TimeoutError at the end."""
        left = self.remaining()
        if left <= 0:
            raise TimeoutError("the call's time is spent")
        return left if seconds is None else min(seconds, left)


_deadline: ContextVar[Deadline | None] = ContextVar("upstream_deadline", default=None)


@contextmanager
def ending_at(deadline: Deadline) -> Iterator[None]:
    """Let whatever is read from a connection of this module in the block end at `deadline`."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


class _BoundedReads(io.RawIOBase):
    """A socket's file whose every read ends at the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._timeout_seconds = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.bound(self._timeout_seconds))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _Lines(io.BufferedReader):
    """A buffered file that knows whether the last line that was asked for was there."""

    at_end = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.at_end = not line
        return line


class _Response(http.client.HTTPResponse):
    """The standard library's response, its head and its body read within the deadline."""

    _lines: _Lines | None = None

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        deadline = _deadline.get()
        if deadline is not None:
            self.fp = self._lines = _Lines(_BoundedReads(self.fp.detach(), sock, deadline))

    def begin(self) -> None:
        """Read the head; raise IncompleteRead if the connection ended before the head did.

        The standard library takes that for an answer without headers, complete and empty.
        """
        super().begin()
        if self._lines is not None and self._lines.at_end:
            raise http.client.IncompleteRead(b"")


class PlainConnection(HTTPConnection):
    """urllib3's connection, with responses that end in time."""

    response_class = _Response


class TLSConnection(HTTPSConnection):
    """The same over TLS."""

    response_class = _Response
