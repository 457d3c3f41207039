"""A directory of a run's own, which is gone when the run is."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coordinator.errors import CoordinatorError


class NoPlace(CoordinatorError):
    """The run keeps its database and its log in a directory, and can't make one."""

    permanent = True


@contextmanager
def own_directory(parent: Path, prefix: str = "embedded-") -> Iterator[Path]:
    """Make a directory below `parent` for as long as the block takes, and yield its path.

    Its name begins with `prefix`, which those of other kinds of run don't.

    A run holds a lock on its directory, which ends with its process however that ends; so
    what a killed run left behind is known, and is removed here. Raise NoPlace if `parent` can't be
    written to.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _locked(parent):
            _sweep(parent, prefix)
            path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            held = _lock(path)
    except OSError as error:
        raise NoPlace(str(error)) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(held)


def _sweep(parent: Path, prefix: str) -> None:
    for path in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            held = _lock(path)
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Let one run at a time make its directory: between making and locking it looks abandoned."""
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Return the descriptor that locks `path`; raise OSError if another process has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
