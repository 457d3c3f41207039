"""One memcached server as this process sees it: its open connections, and whether it answers.

Connections outlive requests and tasks, and are shared by all threads and greenlets; there are as
many as are in use at the same time. The idle ones are a stack whose ends are atomic, so there is no
lock that a fork could copy in a locked state.
"""

import atexit
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import NoReturn, TypeVar

from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from coordinator.errors import CacheUnreachable
from coordinator.memcached.connection import Connection
from coordinator.memcached.observing import Trouble, report
from coordinator.memcached.options import Limits

T = TypeVar("T")

_FAILURES = (OSError, MemcacheError)


class Node:
    """One server. `run` sends it a command; a node that failed rests for `limits.rest` seconds.

    While it rests, `run` fails at once. The first caller after that asks whether it answers again,
    and the others still fail at once meanwhile: a node that is down costs one caller a timeout now
    and then, not all callers all the time.
    """

    def __init__(self, server: str, limits: Limits) -> None:
        """Take the server as ``host:port`` or a socket's path. Connects to nothing yet."""
        self.name = server
        self.limits = limits
        self._idle: deque[Connection] = deque()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._rests_until = 0.0
        self._pid = os.getpid()
        _nodes.add(self)

    def __repr__(self) -> str:
        return f"<Node {self.name}>"

    # -- commands ----------------------------------------------------------------------------------

    def run(self, operation: str, command: Callable[..., T], *args: object) -> T:
        """Call `command` with a connection and `args`, and return its answer.

        Raise CacheUnreachable if there is none. The command may be carried out all the same, even
        later: a server that hung reads what was sent to it when it goes on.
        """
        connection = self.take(operation)
        answer = self.attempt(operation, connection, command, *args)
        self.give_back(connection)
        return answer

    def take(self, operation: str) -> Connection:
        """Return a connection for the caller alone; raise CacheUnreachable if there is none."""
        if self._pid != os.getpid():
            # A fork that did not run Python's hooks, such as uWSGI's.
            self.abandon()
        if self._rests_until and not self.is_usable():
            report(self.name, operation, Trouble.RESTING)
            raise CacheUnreachable(f"{self.name} failed a moment ago")
        while self._idle:
            try:
                # The one used last; the others grow old and are closed when they are not needed.
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.is_sound():
                return connection
            connection.close()
        try:
            return self._connect()
        except OSError as error:
            self._rest()
            self._raise_unreachable(operation, _connect_trouble(error), error)

    def attempt(
        self, operation: str, connection: Connection, command: Callable[..., T], *args: object
    ) -> T:
        """Call `command` and return its answer. If it fails, the connection is gone.

        Raise CacheUnreachable for whatever is the node's fault. Anything else that comes through
        (a killed greenlet, a time limit, an interrupt) is raised as it is.
        """
        try:
            return command(connection, *args)
        except _FAILURES as error:
            connection.close()
            trouble = _answer_trouble(error)
            if connection not in self._all:
                # The parent process's, closed under a greenlet that was copied here: no fault of
                # the server.
                pass
            elif trouble is Trouble.TIMEOUT or not connection.proven:
                self._rest()
            else:
                # The server may have been restarted, or have dropped this one connection. The idle
                # ones may be as bad; the next caller finds out with a new one.
                self.close_idle()
            self._raise_unreachable(operation, trouble, error)
        except BaseException:
            # Its answer may be on the way: the next caller must not get it.
            connection.close()
            raise

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end for the next caller."""
        if not connection.is_open:
            return
        connection.proven = True
        now = connection.idle_since = time.monotonic()
        idle = self._idle
        idle.append(connection)
        try:
            if idle[0].idle_since < now - self.limits.idle:
                idle.popleft().close()
        except IndexError:
            # Another thread took the last one in between.
            return

    # -- health ------------------------------------------------------------------------------------

    def is_usable(self) -> bool:
        """Return False while it rests; the first call after that asks whether it answers again."""
        if not self._rests_until:
            return True
        now = time.monotonic()
        if now < self._rests_until:
            return False
        # For the others it still rests while this caller asks. Two that come at the very same
        # moment both ask, which does no harm and needs no lock.
        self._rests_until = now + self.limits.rest
        try:
            connection = self._connect()
        except OSError as error:
            return self._still_rests(_connect_trouble(error))
        try:
            connection.version()
        except _FAILURES as error:
            connection.close()
            return self._still_rests(_answer_trouble(error))
        self._rests_until = 0.0
        self.give_back(connection)
        return True

    def _still_rests(self, trouble: Trouble) -> bool:
        self._rest()
        report(self.name, "probe", trouble)
        return False

    def _rest(self) -> None:
        self.close_idle()
        self._rests_until = time.monotonic() + self.limits.rest

    def _raise_unreachable(
        self, operation: str, trouble: Trouble, error: BaseException
    ) -> NoReturn:
        report(self.name, operation, trouble)
        why = str(error)
        if isinstance(error, BlockingIOError):
            why = f"no answer within {self.limits.timeout} seconds"
        raise CacheUnreachable(f"{self.name}: {trouble} ({why})") from error

    # -- connections -------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        while True:
            pid = os.getpid()
            connection = Connection(
                self.name, connect_timeout=self.limits.connect_timeout, timeout=self.limits.timeout
            )
            if pid == os.getpid():
                self._all.add(connection)
                return connection
            # A greenlet that was copied while it connected: the parent's has the same socket.
            connection.close()

    def close_idle(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def abandon(self) -> None:
        """Forget all connections without a word to the server: they belong to the parent process.

        Closing this process's copy of a socket sends nothing while the parent has its own. Those in
        use are closed too: under gevent the greenlets that wait on them were copied as well, and
        would take the parent's answers.
        """
        self._pid = os.getpid()
        for connection in list(self._all):
            connection.close()
        self._all = weakref.WeakSet()
        self._idle = deque()


def _connect_trouble(error: OSError) -> Trouble:
    return Trouble.TIMEOUT if isinstance(error, TimeoutError) else Trouble.UNREACHABLE


def _answer_trouble(error: Exception) -> Trouble:
    # BlockingIOError is how a timeout that the kernel keeps shows.
    if isinstance(error, TimeoutError | BlockingIOError):
        return Trouble.TIMEOUT
    if isinstance(error, OSError | MemcacheUnexpectedCloseError):
        return Trouble.CLOSED
    return Trouble.PROTOCOL


_nodes: weakref.WeakSet[Node] = weakref.WeakSet()


def _abandon_all() -> None:
    for node in list(_nodes):
        node.abandon()


def _close_all() -> None:
    for node in list(_nodes):
        node.close_idle()


os.register_at_fork(after_in_child=_abandon_all)
# They are not needed any more, and Python would complain of sockets that were never closed.
atexit.register(_close_all)
