"""The results file keeps the last run of each group."""

import json
from pathlib import Path

from bench.figures import Figure, at_least, at_most, compared, counted
from bench.options import Options
from bench.recorded import keep

_READS = [compared("reads", "read()", 3.0, 2.0, "µs", "raw get", at_most(2))]
_NODES = [
    compared("nodes", "kill: hit ratio", 70.0, 99.0, "%", "before", series=(0.99, 0.7, 0.98)),
    counted("nodes", "kill: reads that failed", 0, at_most(0)),
]


def _options(file: Path, group: str, note: str = "") -> Options:
    return Options(groups=(group,), results=file, note=note)


def test_a_run_of_one_group_leaves_the_figures_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    keep(_READS, _options(file, "reads", "alone"))
    merged = keep(_NODES, _options(file, "nodes", "beside others"))
    assert [one.name for one in merged] == ["read()", "kill: hit ratio", "kill: reads that failed"]
    taken = json.loads(file.read_text())["taken"]
    assert {group: how["note"] for group, how in taken.items()} == {
        "reads": "alone",
        "nodes": "beside others",
    }


def test_a_group_that_is_measured_again_replaces_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    keep(_NODES, _options(file, "nodes"))
    again = [counted("nodes", "another figure", 1)]
    assert keep(again, _options(file, "nodes")) == again


def test_what_is_kept_is_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    figures: list[Figure] = [*_NODES, Figure("nodes", "x", 5.0, "/s", 2.5, 2.0, "y", at_least(10))]
    keep(figures, _options(file, "nodes"))
    merged = keep(_READS, _options(file, "reads"))
    assert [one.ours for one in merged] == [3.0, 70.0, 0.0, 5.0]
    assert [one.met for one in merged] == [True, None, True, False]
    assert merged[1].series == (0.99, 0.7, 0.98)
