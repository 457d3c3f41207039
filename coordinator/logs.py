"""Prints a log record as one line: what happened, and fields that say to what.

``logger.info("entry.warmed", extra={"entry": "payment.EDX-1001.succeeded"})`` becomes
``... entry.warmed entry=payment.EDX-1001.succeeded``, or a JSON object with the same fields.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

# What every record has; whatever else is there was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "message",
    # Django's: an object, at times a socket, that says nothing which the message doesn't.
    "request",
    "taskName",
}


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Return the fields that were given as `extra`, in the order in which they were given."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    """Return when `record` was made, in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


class PlainFormatter(logging.Formatter):
    """``time level logger event field=value ...``, on one line except for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for `record`; a value that isn't one plain word is quoted."""
        parts = [_time(record), record.levelname, record.name, _one_line(record.getMessage())]
        parts += [f"{name}={_quoted(value)}" for name, value in fields_of(record).items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JSONFormatter(logging.Formatter):
    """One JSON object: ``time``, ``level``, ``logger``, ``event``, the fields, ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object for `record`; a field can't replace one of the five."""
        content: dict[str, object] = dict(fields_of(record))
        content |= {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def _one_line(text: str) -> str:
    """Return `text` with what would break or redraw a line escaped, so that no event is forged."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _quoted(value: object) -> str:
    """Return `value` as text, in quotes where a blank, a quote or a line break would mislead."""
    text = str(value)
    if text and text.isprintable() and not any(letter in text for letter in ' "='):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
