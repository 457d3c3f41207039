"""The correlation id: one word that follows an event from its webhook to the last log line.

It lives in a context variable, so that threads which take their caller's context along
(``contextvars.copy_context``) keep it. Code that crosses a process hands it on: in a header, in a
change's row, in a task's message.
"""

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The header that carries the id between services.
HEADER = "X-Correlation-ID"

#: The id in force, "" where none was bound.
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

# What a header, a log line and a 64-character column all carry unescaped.
_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)


def new_id() -> str:
    """Return a new, unused id: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def current() -> str:
    """Return the id in force, "" if there is none."""
    return correlation_id.get()


@contextmanager
def bind(identifier: str = "") -> Iterator[str]:
    """Put `identifier` in force within the block, and yield what is in force.

    Without one, or with one that a stranger made up to break a log line or a header, that is a
    new id: the id is for finding things, so a request is never refused because of it.
    """
    accepted = identifier if _ACCEPTED.fullmatch(identifier) else new_id()
    token = correlation_id.set(accepted)
    try:
        yield accepted
    finally:
        correlation_id.reset(token)


class CorrelationFilter(logging.Filter):
    """Adds the field ``correlation_id`` to each record that is made while one is in force."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, always: it adds, and drops nothing."""
        identifier = current()
        # A record made elsewhere (a listener's thread, another process) has brought its own.
        if identifier and not hasattr(record, "correlation_id"):
            record.correlation_id = identifier
        return True
