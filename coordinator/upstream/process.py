"""Keeps one of something per process, made on first use: sockets and locks don't survive a fork."""

import os
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One T per process. A forked child makes its own; what its parent has stays untouched."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: tuple[int, T] | None = None
        self._lock = Lock()
        _all.add(self)

    def get(self) -> T:
        """Return this process's T."""
        made = self._made
        if made is not None and made[0] == os.getpid():
            return made[1]
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), self._make())
            return self._made[1]

    def forget(self) -> None:
        """Make a new one at the next use."""
        with self._lock:
            self._made = None

    def after_fork(self) -> None:
        """Replace the lock: a thread that does not exist in the child may have held it."""
        self._lock = Lock()


_all: "weakref.WeakSet[PerProcess[Any]]" = weakref.WeakSet()


def _after_fork() -> None:
    for one in _all:
        one.after_fork()


os.register_at_fork(after_in_child=_after_fork)
