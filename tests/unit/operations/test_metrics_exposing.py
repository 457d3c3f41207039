"""What is shown, alone and together with other processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.operations.metrics import exposing
from tests.support.metrics import families, shown

TOP = Path(__file__).resolve().parents[3]

# Counts, says so, and waits to be killed.
PROCESS = """
import sys
from coordinator.operations.metrics import declared
declared.LEASES.labels("thing", "granted").inc(2)
declared.BREAKER_STATE.labels("api:443").set(int(sys.argv[1]))
declared.HEARTBEAT.labels("worker").set(int(sys.argv[1]))
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory in which processes count together, this one among those that look."""
    directory = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(directory))
    return directory


def counting(number: int) -> "subprocess.Popen[bytes]":
    """Return a process that has counted."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(number)],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"counted\n"
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def now() -> str:
    return exposing.expose(asking=False).body.decode()


def test_processes_that_count_together_are_added_up(together: Path) -> None:
    processes = [counting(0), counting(2)]
    try:
        text = now()
    finally:
        for process in processes:
            end(process)
    assert shown(text, "coordinator_leases_total", resource="thing", result="granted") == 4
    assert shown(text, "coordinator_breaker_state", upstream="api:443") == 2
    assert shown(text, "coordinator_heartbeat_timestamp_seconds", role="worker") == 2


def test_a_process_that_was_killed_leaves_what_it_counted_and_not_how_it_was(
    together: Path,
) -> None:
    end(counting(2))
    text = now()
    assert shown(text, "coordinator_leases_total", resource="thing", result="granted") == 2
    assert shown(text, "coordinator_breaker_state", upstream="api:443") is None
    # The last word of the dead is how the others know that it is dead.
    assert shown(text, "coordinator_heartbeat_timestamp_seconds", role="worker") == 2


def test_an_empty_directory_is_none() -> None:
    code = "import os; from coordinator.operations import metrics; print(metrics.directory())"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": " "}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, env=environment, capture_output=True, check=True
    )
    assert answer.stdout == b"None\n"


def test_a_process_alone_shows_its_memory_too() -> None:
    memory = shown(now(), "process_resident_memory_bytes")
    assert memory is not None
    assert memory > 1_000_000


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        "text/plain;version=nonsense",
        "application/openmetrics-text; version=99.99",
        ";;;,,,=",
    ],
)
def test_whatever_is_accepted_something_that_can_be_read_is_shown(accept: str) -> None:
    exposed = exposing.expose(accept, asking=False)
    assert exposed.content_type.startswith(("text/plain", "application/openmetrics-text"))
    assert "coordinator_reads" in exposed.body.decode()


def test_the_text_is_one_that_prometheus_reads() -> None:
    names = {family.name for family in families(now())}
    assert {"coordinator_reads", "coordinator_read_seconds"} <= names
