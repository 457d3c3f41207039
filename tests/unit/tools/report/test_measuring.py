from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from coordinator.core import events
from coordinator.core.events import EntryWarmed, LoadFinished
from coordinator.ledger.models import Change
from tests.support.summary import KEYS
from tools.report import table
from tools.report.answers import How, ReadAnswer
from tools.report.measuring import Measurements
from tools.report.oracle import Committed
from tools.report.troubles import Troubles

pytestmark = pytest.mark.django_db


def measurements(upstream_loads: int = 0, *, warming: bool = True) -> Measurements:
    return Measurements(lambda: upstream_loads, Troubles(), warming=warming)


def load(error: str = "", count: int = 1) -> LoadFinished:
    return LoadFinished("payment", "event", 0.1, count, error)


def test_the_summary_has_exactly_the_promised_keys_in_one_line() -> None:
    text = measurements().look().summary.to_json()
    assert "\n" not in text
    assert list(json.loads(text)) == KEYS


def test_what_nothing_was_measured_of_is_null() -> None:
    summary = json.loads(measurements().look().summary.to_json())
    assert summary["warm_read_ms_p50"] is None
    assert summary["commit_to_warm_ms_p99"] is None
    assert summary["hit_ratio"] == 0


def test_a_failed_load_is_an_error() -> None:
    measured = measurements()
    with measured.listening():
        events.emit(load("upstream_timeout"))
        events.emit(load())
    assert measured.look().errors_by_kind == {"loads": 1}


def test_nothing_is_heard_after_the_end() -> None:
    measured = measurements()
    with measured.listening():
        pass
    events.emit(load("upstream_timeout"))
    assert measured.look().summary.errors == 0


def test_the_estimate_has_what_upstream_is_asked_for_besides_entries() -> None:
    measured = measurements(upstream_loads=7)
    with measured.listening():
        events.emit(load(count=5))
    for revision in (1, 1, 2):
        measured.reads.add("EDX-1", None, ReadAnswer(How.HIT, 200, revision, "succeeded"), 1.0)
    summary = measured.look().summary
    assert summary.upstream_loads == 7
    assert summary.upstream_loads_without_warming == 2 + 2


def commit(number: str = "EDX-1") -> None:
    Change.objects.create(
        resource="payment",
        identifier=number,
        revision=1,
        state="succeeded",
        event_id=f"evt_{number}",
        event_type="payment_intent.succeeded",
    )


@pytest.mark.parametrize("warming", [True, False])
def test_commit_to_warm_is_told_where_something_warms(warming: bool) -> None:
    measured = measurements(warming=warming)
    commit()
    with measured.listening():
        events.emit(EntryWarmed("payment", "payment.EDX-1.succeeded", 1, "event", stored=True))
    waited = measured.look().summary.commit_to_warm_ms_p50
    assert (waited is not None) == warming


@pytest.mark.parametrize("width", [120, 80])
@pytest.mark.parametrize("warming", [True, False])
def test_the_table_fits_the_terminal_and_cuts_off_no_word(width: int, warming: bool) -> None:
    measured = measurements(upstream_loads=1234)
    commit()
    with measured.listening():
        events.emit(EntryWarmed("payment", "payment.EDX-1.succeeded", 1, "read", stored=True))
    committed = Committed("succeeded", 2)
    measured.reads.add("EDX-1", committed, ReadAnswer(How.HIT, 200, 1, "succeeded"), 1.0)
    measured.troubles.add("loads", "a load for event failed: " + "x" * 300)
    figures = measured.look()
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table.live(figures, "Coordinator", warming=warming))
    console.print(table.final(figures, warming=warming))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert max(map(len, drawn.splitlines())) <= width
    panels = [line for line in drawn.splitlines() if "x" * 10 not in line]
    assert "…" not in "\n".join(panels)
    assert "1,234" in drawn
    assert "loads 1" in drawn
    assert ("payment.EDX-1.succeeded" in drawn) == warming


def test_a_line_says_the_most_important_where_nothing_can_be_drawn() -> None:
    measured = measurements(upstream_loads=5)
    measured.reads.add("EDX-1", None, ReadAnswer(How.HIT, 200, 1, "succeeded"), 1.0)
    assert "1 reads, 100.0% hits, 0 stale; 5 upstream loads" in table.line(measured.look())
