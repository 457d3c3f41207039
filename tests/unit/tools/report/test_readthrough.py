from __future__ import annotations

import pytest

from tools.report import readthrough
from tools.report.readthrough import ReadThrough


def test_the_first_read_loads_and_the_next_ones_do_not() -> None:
    model = ReadThrough(timeout_seconds=1800)
    for at in (0.0, 1.0, 1799.0):
        model.read("EDX-1", 1, at)
    assert model.loads == 1


def test_each_revision_that_is_read_loads_once() -> None:
    model = ReadThrough(timeout_seconds=1800)
    for revision in (1, 2, 2, 3, 3, 3):
        model.read("EDX-1", revision, 0.0)
    assert model.loads == 3


def test_a_revision_that_nobody_reads_costs_nothing() -> None:
    model = ReadThrough(timeout_seconds=1800)
    model.read("EDX-1", 1, 0.0)
    model.read("EDX-1", 9, 1.0)
    assert model.loads == 2


def test_an_answer_that_was_overtaken_does_not_load_again() -> None:
    model = ReadThrough(timeout_seconds=1800)
    model.read("EDX-1", 2, 0.0)
    model.read("EDX-1", 1, 0.1)
    assert model.loads == 1


def test_what_has_expired_is_loaded_again() -> None:
    model = ReadThrough(timeout_seconds=1800)
    model.read("EDX-1", 1, 0.0)
    model.read("EDX-1", 1, 1800.0)
    assert model.loads == 2


def test_payments_do_not_disturb_one_another() -> None:
    model = ReadThrough(timeout_seconds=1800)
    for number in ("EDX-1", "EDX-2", "EDX-1"):
        model.read(number, 1, 0.0)
    assert model.loads == 2


def test_a_long_run_forgets_the_payments_that_were_loaded_longest_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readthrough, "_PAYMENTS_KEPT", 2)
    model = ReadThrough(timeout_seconds=1800)
    for number in ("EDX-1", "EDX-2", "EDX-3"):
        model.read(number, 1, 0.0)
    model.read("EDX-3", 1, 1.0)
    assert model.loads == 3
    model.read("EDX-1", 1, 1.0)
    assert model.loads == 4
