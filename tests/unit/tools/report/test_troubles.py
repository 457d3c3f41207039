from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from coordinator.logs import PlainFormatter
from tools.report.troubles import TroubleHandler, Troubles


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """Yield troubles that hear what is logged below "somewhere"."""
    counted = Troubles()
    handler = TroubleHandler(counted)
    handler.setFormatter(PlainFormatter())
    names = ("somewhere", "celery.app.trace")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield counted
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def test_errors_are_counted_by_kind(troubles: Troubles) -> None:
    troubles.add("loads", "one")
    troubles.add("loads", "two")
    troubles.add("tasks", "three")
    assert troubles.total == 3
    assert troubles.by_kind() == {"loads": 2, "tasks": 1}
    assert troubles.notes() == ["one", "two", "three"]


def test_only_the_last_words_are_kept(troubles: Troubles) -> None:
    for number in range(100):
        troubles.add("loads", str(number))
    assert troubles.total == 100
    assert troubles.notes()[-1] == "99"
    assert len(troubles.notes()) < 10


def test_a_count_of_somebody_else_only_goes_up(troubles: Troubles) -> None:
    for count in (0, 2, 1, 2):
        troubles.set("webhooks", count)
    assert troubles.total == 2
    assert len(troubles.notes()) == 1


def test_what_is_logged_as_an_error_is_one(troubles: Troubles) -> None:
    logging.getLogger("somewhere").error("change.abandoned", extra={"reason": "gone"})
    assert troubles.by_kind() == {"logged": 1}
    assert "reason=gone" in troubles.notes()[0]


def test_an_exception_is_noted_in_one_line(troubles: Troubles) -> None:
    try:
        raise ValueError("within")
    except ValueError:
        logging.getLogger("somewhere").exception("subscriber.failed")
    assert troubles.total == 1
    assert "\n" not in troubles.notes()[0]


def test_a_warning_is_noted_and_not_counted(troubles: Troubles) -> None:
    logging.getLogger("somewhere").warning("doorbell.unheard")
    assert troubles.total == 0
    assert "doorbell.unheard" in troubles.notes()[0]


def test_a_failed_task_is_counted_by_its_signal_and_not_by_its_log_as_well(
    troubles: Troubles,
) -> None:
    logging.getLogger("celery.app.trace").error("Task coordinator.settle raised unexpected")
    assert troubles.total == 0
    assert len(troubles.notes()) == 1
