"""What silences a worker, and what doesn't."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.worker import state
from pytest_django import Settings

from tests.support.metrics import value
from workers import beating
from workers.beating import any_overdue

NOW = 1_800_000_000.0


class Request:
    """A task that a worker runs, as far as this is about it."""

    def __init__(self, began: float | None) -> None:
        self.time_start = began


@pytest.fixture
def running() -> Iterator[list[Request]]:
    """Return a list; what is appended and then noted with `note` runs until the test ends."""
    kept: list[Request] = []
    yield kept
    for one in kept:
        state.active_requests.discard(one)


def note(kept: list[Request], began: float | None) -> None:
    kept.append(Request(began))
    state.active_requests.add(kept[-1])


def test_a_task_within_its_limit_is_none_of_its_business(
    settings: Settings, running: list[Request]
) -> None:
    settings.CELERY_TASK_TIME_LIMIT_SECONDS = 55
    note(running, NOW - 54)
    # Taken from the broker, and not begun yet.
    note(running, None)
    assert not any_overdue(NOW)


def test_a_task_past_its_hard_limit_silences_its_worker(
    settings: Settings, running: list[Request], tmp_path: Path
) -> None:
    settings.CELERY_TASK_TIME_LIMIT_SECONDS = 55
    settings.COORDINATOR_HEARTBEAT_DIR = str(tmp_path)
    beating._answer()
    (tmp_path / "worker").unlink()
    note(running, time.time() - 56)
    beating._answer()
    assert any_overdue(time.time())
    assert not (tmp_path / "worker").exists()


def test_a_beat_is_a_metric_too() -> None:
    before = time.time()
    beating.beat("beat")
    assert value("coordinator_heartbeat_timestamp_seconds", role="beat") >= before


def test_a_directory_that_cannot_be_written_stops_no_work(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    settings.COORDINATOR_HEARTBEAT_DIR = str(tmp_path / "file" / "below")
    beating.beat("worker")
    assert "heartbeat.unwritten" in caplog.text
