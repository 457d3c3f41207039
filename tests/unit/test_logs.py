"""What a log line looks like, also when somebody tries to forge one."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from coordinator.logs import JSONFormatter, PlainFormatter


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    """Return a record of `message` with `fields` as its extra, made at the epoch."""
    logger = logging.getLogger("coordinator.tests")
    made = logger.makeRecord(
        logger.name, logging.INFO, __file__, 1, message, args, None, extra=fields
    )
    made.created = 0.25
    return made


def test_a_plain_line_names_time_level_logger_event_and_fields_in_order() -> None:
    line = PlainFormatter().format(record("entry.warmed", entry="payment.EDX-1.created", took=0.5))

    assert line == (
        "1970-01-01T00:00:00.250Z INFO coordinator.tests entry.warmed "
        "entry=payment.EDX-1.created took=0.5"
    )


@pytest.mark.parametrize("value", ["a b", 'say "hi"', "a\nb", "a\x1b[31mb", "", "a=b", "a\u2028b"])
def test_a_value_that_could_mislead_is_quoted(value: str) -> None:
    line = PlainFormatter().format(record("event", field=value))

    assert line.isprintable()
    assert json.loads(line.partition("field=")[2]) == value


def test_a_message_with_a_line_break_stays_one_line() -> None:
    line = PlainFormatter().format(record("paid by %s", "eve\r\n1970 INFO payment.forged"))

    assert line.isprintable()
    assert "\\r\\n1970" in line


def test_a_json_line_is_one_object_whose_own_names_no_field_can_replace() -> None:
    line = JSONFormatter().format(record("entry.warmed", entry="x", event="forged", level="forged"))

    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "INFO",
        "logger": "coordinator.tests",
        "event": "entry.warmed",
        "entry": "x",
    }


def test_a_field_that_json_does_not_know_is_written_as_text() -> None:
    line = JSONFormatter().format(record("event", path=PlainFormatter))

    assert json.loads(line)["path"] == str(PlainFormatter)


@pytest.mark.parametrize("formatter", [PlainFormatter(), JSONFormatter()])
def test_an_error_brings_its_traceback(formatter: logging.Formatter) -> None:
    made = record("event.failed")
    try:
        raise ValueError("the reason")
    except ValueError:
        made.exc_info = sys.exc_info()

    assert "ValueError: the reason" in formatter.format(made)
