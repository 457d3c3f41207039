"""The look at a heartbeat's age, as a container's health check runs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coordinator.operations import heartbeat

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of this test's heartbeats, which nobody has made yet."""
    monkeypatch.setenv(heartbeat.DIRECTORY, str(tmp_path / "beats"))
    return tmp_path / "beats"


def beaten(directory: Path, seconds_ago: float, role: str = "worker") -> None:
    heartbeat.touch(directory, role)
    moment = time.time() - seconds_ago
    os.utime(directory / role, (moment, moment))


def test_a_recent_beat_is_well(directory: Path) -> None:
    heartbeat.touch(directory, "worker")
    assert heartbeat.main(["worker"]) == 0


def test_each_touch_is_a_new_beat(directory: Path) -> None:
    beaten(directory, 100)
    heartbeat.touch(directory, "worker")
    assert heartbeat.main(["worker", "--max-age", "50"]) == 0


def test_an_old_beat_is_not(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beaten(directory, 31)
    assert heartbeat.main(["worker", "--max-age", "30"]) == 1
    assert "31 seconds ago" in capsys.readouterr().err
    assert heartbeat.main(["worker", "--max-age", "40"]) == 0


def test_no_beat_is_not(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert heartbeat.main(["beat"]) == 1
    assert "no heartbeat of the beat" in capsys.readouterr().err


def test_one_does_not_beat_for_the_other(directory: Path) -> None:
    heartbeat.touch(directory, "worker")
    assert heartbeat.main(["beat"]) == 1


def test_a_clock_that_was_set_back_makes_nobody_ill(directory: Path) -> None:
    beaten(directory, -3600)
    assert heartbeat.age_seconds(directory, "worker", time.time()) == 0
    assert heartbeat.main(["worker"]) == 0


def test_without_a_directory_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(heartbeat.DIRECTORY, raising=False)
    assert heartbeat.main(["worker"]) == 1
    assert heartbeat.DIRECTORY in capsys.readouterr().err


def test_the_check_starts_neither_django_nor_celery(directory: Path) -> None:
    heartbeat.touch(directory, "worker")
    code = (
        "import sys; from coordinator.operations import heartbeat;"
        "status = heartbeat.main(['worker']);"
        "print(status, sorted({'django', 'celery', 'workers'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "0 []\n"


def test_as_a_program_its_exit_status_is_the_answer(directory: Path) -> None:
    command = [sys.executable, "-m", "coordinator.operations.heartbeat", "worker"]
    assert subprocess.run(command, cwd=TOP, capture_output=True, check=False).returncode == 1
    heartbeat.touch(directory, "worker")
    assert subprocess.run(command, cwd=TOP, check=False).returncode == 0
