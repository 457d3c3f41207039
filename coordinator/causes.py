"""On whose behalf upstream is asked, which decides who gives way when the budget is short.

A waiting user (``read``) goes before an event, an event before a beat, a beat before a backfill.
The cause lives in a context variable: the code that starts the work names it, and nothing between
there and the HTTP client has to pass it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: First come those that others give way to.
CAUSES: Final = ("read", "event", "beat", "backfill")

_current: ContextVar[str] = ContextVar("upstream_cause", default="read")


@contextmanager
def cause(name: str) -> Iterator[None]:
    """Ask upstream in the name of `name`, one of CAUSES, within the block."""
    if name not in CAUSES:
        raise ValueError(f"{name!r} is no cause; these are: {', '.join(CAUSES)}")
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """Return the cause in force; "read" where none was named, since then a reader may wait."""
    return _current.get()


def somebody_waits(name: str) -> bool:
    """Return True if a user waits for what is done because of `name`.

    Then it is worth a little waiting; anything else comes back later and holds no thread meanwhile.
    """
    return name == "read"
