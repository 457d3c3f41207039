"""One socket to one memcached server: sends a command, waits for the whole answer.

pymemcache's Client does the small commands. Reading and storing values is done here, because a
refused value must not hide the fate of those sent with it, every wait must be bounded, several
nodes should be asked at once, and the answer must be known to belong to the question: its keys are
among those that were asked for, and nothing comes after its end.
"""

import _socket
import select
import socket
import struct
import time
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, NoReturn, TypeAlias, TypeVar

from pymemcache.client.base import Client
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)

T = TypeVar("T")

_RECEIVE_BYTES = 65_536
# As much must be sent, and a good deal more than nothing received, within each timeout.
_SEND_BYTES = 1_048_576
# A batch is sent before its answers are read. So its answers must fit into what the two sockets
# buffer, or server and client would wait for each other.
_BATCH_COMMANDS = 1_000
# After this long without use, look whether the server is still there before trusting to it.
_DOUBT_SECONDS = 0.005

_STORED_OR_NOT = frozenset({b"STORED", b"NOT_STORED", b"EXISTS", b"NOT_FOUND"})
# After these the server has read the refused value to its end, so the connection stays in step.
_REFUSALS = (
    b"SERVER_ERROR object too large for cache",
    b"SERVER_ERROR out of memory storing object",
)


class NotANumber(ValueError):
    """The value is not one that memcached can count with: a decimal from 0 to 2**64 - 1."""


#: What a node holds for a key: its flags, its bytes, and its compare-and-set number, which is empty
#: unless it was asked for. A plain tuple, because a hundred of them are made for one multi-get.
Item: TypeAlias = tuple[int, bytes, bytes]


class StoreCommand(NamedTuple):
    """One value to store: its key as sent, its flags and bytes."""

    key: bytes
    flags: int
    data: bytes


class Connection(Client):
    """A connection to one server, used by one thread or greenlet at a time.

    Any exception means that an answer may still be on its way: close it, never use it again.
    """

    def __init__(self, server: str, *, connect_timeout: float, timeout: float) -> None:
        """Connect to `server`. Raise OSError if that fails or takes longer than its timeout."""
        super().__init__(
            server,
            connect_timeout=connect_timeout,
            timeout=timeout,
            default_noreply=False,
            allow_unicode_keys=True,
        )
        self._timeout_seconds = timeout
        #: True once it has answered a command.
        self.proven = False
        self.sock = self._open_socket(connect_timeout)
        try:
            self._wait_at_most(timeout)
            self._poll = select.poll()
            self._poll.register(self.sock.fileno(), select.POLLIN)
        except BaseException:
            self.close()
            raise
        #: When it was opened, and when it was last given back, on the monotonic clock.
        self.opened_at = self.idle_since = time.monotonic()

    def _open_socket(self, connect_timeout: float) -> socket.socket:
        # pymemcache's own tries only the first address of a name, so "localhost" may be refused.
        if isinstance(self.server, tuple):
            sock = socket.create_connection(self.server, connect_timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(connect_timeout)
            sock.connect(self.server)
        except BaseException:
            sock.close()
            raise
        return sock

    # Private API of pymemcache 4.0: its commands call `_connect` where `sock` is None, and have no
    # public switch for that; `_raise_errors` is how they tell the server's refusals.
    def _connect(self) -> NoReturn:
        # pymemcache would open it again. Closed, it stays closed: who else may have the answer that
        # was on the way, and whether the server is still the same, is only known of a whole life.
        raise MemcacheUnexpectedCloseError

    def _wait_at_most(self, seconds: float) -> None:
        """Let each send and receive take `seconds`."""
        sock = self.sock
        if sock is None:
            raise MemcacheUnexpectedCloseError
        if not _waits_in_kernel(sock):
            sock.settimeout(seconds)
            return
        # Python's own timeout costs a poll before each send and receive, a tenth of a get. The
        # kernel's costs nothing; that it ran out shows as BlockingIOError.
        sock.settimeout(None)
        interval = struct.pack("@ll", *divmod(max(1, round(seconds * 1_000_000)), 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    @property
    def is_open(self) -> bool:
        """Return True unless it was closed, by its owner or because of an error."""
        return self.sock is not None

    def is_sound(self) -> bool:
        """Return False if the server has closed it, or sent something unasked."""
        if time.monotonic() - self.idle_since < _DOUBT_SECONDS:
            return True
        return not self._poll.poll(0)

    # -- values ------------------------------------------------------------------------------------

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, Item]:
        """Return the items that are there, in one round trip."""
        self.ask_for(keys)
        return self.receive_items(keys)

    def fetch_with_cas(self, keys: Collection[bytes]) -> dict[bytes, Item]:
        """Return the items that are there, each with its compare-and-set number."""
        self._send(b"gets " + b" ".join(keys) + b"\r\n")
        return self.receive_items(keys)

    def ask_for(self, keys: Collection[bytes]) -> None:
        """Ask for `keys`, and don't wait: `receive_items` must be called next."""
        self._send(b"get " + b" ".join(keys) + b"\r\n")

    def receive_items(
        self, keys: Collection[bytes], timeout_seconds: float | None = None
    ) -> dict[bytes, Item]:
        """Return what the server has for `keys`, which `ask_for` asked for.

        `timeout_seconds` is for a caller that has waited already, for another server.
        """
        if timeout_seconds is not None:
            self._wait_at_most(timeout_seconds)
        items: dict[bytes, Item] = {}
        buffer = self._receive()
        position = 0
        while True:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                buffer, position = self._receive_more(buffer[position:]), 0
                continue
            line = buffer[position:end]
            if line == b"END":
                break
            try:
                word, key, flags, size, *cas = line.split(b" ")
                length = int(size)
                item_flags = int(flags)
            except ValueError:
                self._raise_errors(line, b"get")
                raise MemcacheUnknownError(line[:32]) from None
            if word != b"VALUE" or key not in keys or length < 0:
                raise MemcacheUnknownError(b"answer to another question")
            position, stop = end + 2, end + 2 + length
            if len(buffer) < stop + 2:
                buffer = self._receive_more(buffer[position:], length + 2)
                position, stop = 0, length
            items[key] = (item_flags, buffer[position:stop], cas[0] if cas else b"")
            if not buffer.startswith(b"\r\n", stop):
                raise MemcacheUnknownError(b"value of another length")
            position = stop + 2
        if end + 2 != len(buffer):
            raise MemcacheUnknownError(b"surplus after END")
        if timeout_seconds is not None:
            self._wait_at_most(self._timeout_seconds)
        return items

    def store(
        self, verb: bytes, commands: Sequence[StoreCommand], expire: int, cas: bytes = b""
    ) -> list[bytes]:
        """Send each of `commands` under `verb`, and return the server's answer to each.

        An answer is STORED, NOT_STORED, EXISTS, NOT_FOUND, or starts with SERVER_ERROR for a value
        that was refused. One round trip for up to a thousand.
        """
        return self.store_each(verb, [(command, expire, cas) for command in commands])

    def store_each(
        self, verb: bytes, commands: Sequence[tuple[StoreCommand, int, bytes]]
    ) -> list[bytes]:
        """Store as `store` does, each command with a timeout and a number of its own."""
        answers: list[bytes] = []
        for batch in _batches(commands):
            lines = [
                b"%b %b %d %d %d%b\r\n%b\r\n"
                % (verb, key, flags, expire, len(data), b" " + cas if cas else b"", data)
                for (key, flags, data), expire, cas in batch
            ]
            self._send(b"".join(lines))
            answers += self._receive_answers(len(batch))
        return answers

    def _receive_answers(self, count: int) -> list[bytes]:
        buffer = self._receive()
        while buffer.count(b"\r\n") < count:
            buffer = self._receive_more(buffer)
        *answers, rest = buffer.split(b"\r\n")
        if rest or len(answers) != count:
            raise MemcacheUnknownError(b"surplus answer")
        for answer in answers:
            if answer not in _STORED_OR_NOT and not answer.startswith(_REFUSALS):
                self._raise_errors(answer, b"store")
                raise MemcacheUnknownError(answer[:32])
        return answers

    # -- the rest ----------------------------------------------------------------------------------

    def discard(self, keys: Sequence[bytes]) -> None:
        """Delete `keys`, in one round trip for up to a thousand."""
        for batch in _batches(keys):
            self.delete_many(batch)

    def count(self, key: bytes, delta: int) -> int | None:
        """Add `delta`, which may be negative, and return the sum, or None if nothing is there.

        Raise NotANumber if the value, or `delta`, is none that memcached counts with.
        """
        try:
            # memcached has no negative delta.
            return self.incr(key, delta) if delta >= 0 else self.decr(key, -delta)
        except MemcacheUnknownCommandError:
            raise
        except MemcacheClientError as error:
            raise NotANumber(str(error)) from error
        except ValueError as error:
            raise MemcacheUnknownError(str(error)) from error

    # -- the socket --------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if self.sock is None:
            raise MemcacheUnexpectedCloseError
        if len(data) <= _SEND_BYTES:
            self.sock.sendall(data)
            return
        # The timeout is for each part: what is large may take longer, what hangs may not.
        view = memoryview(data)
        for start in range(0, len(data), _SEND_BYTES):
            self.sock.sendall(view[start : start + _SEND_BYTES])

    def _receive(self) -> bytes:
        if self.sock is None:
            raise MemcacheUnexpectedCloseError
        received: bytes = self.sock.recv(_RECEIVE_BYTES)
        if not received:
            raise MemcacheUnexpectedCloseError
        return received

    def _receive_more(self, buffer: bytes, at_least: int = 0) -> bytes:
        """Return `buffer` and what comes next: until it has `at_least` bytes, if that is given.

        Each timeout must bring a good deal of it: a server that trickles is as useless as one that
        hangs.
        """
        chunks, size = [buffer], len(buffer)
        deadline, enough = time.monotonic() + self._timeout_seconds, size + _RECEIVE_BYTES
        while True:
            chunk = self._receive()
            chunks.append(chunk)
            size += len(chunk)
            if size >= at_least:
                return b"".join(chunks)
            if size >= enough:
                deadline, enough = time.monotonic() + self._timeout_seconds, size + _RECEIVE_BYTES
            elif time.monotonic() > deadline:
                raise TimeoutError("the answer trickles")


def _waits_in_kernel(sock: object) -> bool:
    """Return False for gevent's sockets, which wait in its loop and never in the kernel."""
    # Private API of CPython: the C class that its own sockets extend, and gevent's don't.
    return isinstance(sock, _socket.socket)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH_COMMANDS):
        yield items[start : start + _BATCH_COMMANDS]
