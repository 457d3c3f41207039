"""The parts of the chaos that touch something real: a process that dies, and the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.payments import record
from workers.chaos import dying, ending
from workers.chaos.dying import Moment

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import django; django.setup()
from workers.chaos.dying import Moment, die_if_told
die_if_told(Moment.BEFORE_RING)
"""


def comes_to_the_moment(directory: Path) -> int:
    """Return the exit status of a process that comes to the moment before the ring."""
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={
            **os.environ,
            "CHAOS_DIRECTORY": str(directory),
            "DJANGO_SETTINGS_MODULE": "coordinator.settings.test",
        },
        timeout=60,
    ).returncode


def test_a_process_dies_at_the_moment_that_it_was_told_of_and_only_once(tmp_path: Path) -> None:
    done = dying.tell(tmp_path, Moment.BEFORE_RING)
    assert comes_to_the_moment(tmp_path) == -9
    assert done.exists()
    assert comes_to_the_moment(tmp_path) == 0


def test_an_order_for_another_moment_or_one_taken_back_is_not_followed(tmp_path: Path) -> None:
    dying.tell(tmp_path, Moment.BEFORE_ADVANCE)
    dying.tell(tmp_path, Moment.BEFORE_RING)
    dying.untell(tmp_path, Moment.BEFORE_RING)
    assert comes_to_the_moment(tmp_path) == 0


@pytest.mark.usefixtures("sqlite_ledger")
def test_what_the_ledger_does_not_know_as_the_provider_does_is_told() -> None:
    record("succeeded", number="EDX-1", amount_received=1000)
    record("processing", number="EDX-2")
    same = {"amount_received_minor": 1000, "amount_refunded_minor": 0}
    other = {"amount_received_minor": 0, "amount_refunded_minor": 0}

    found = ending.untold(
        [
            {"number": "EDX-1", "status": "succeeded", **same},
            {"number": "EDX-2", "status": "canceled", **other},
            {"number": "EDX-3", "status": "processing", **other},
        ]
    )

    assert [line.split()[0] for line in found] == ["EDX-2", "EDX-3"]
