import json

import msgspec

from tools.chaos.faults import ALL
from tools.chaos.names import Name
from tools.chaos.report import FaultReport, Report
from tools.chaos.tuning import MOST_STALE_SECONDS

GOOD = Report(
    faults=[FaultReport(name="worker_killed", injected=2, seconds_to_recover=7.5)],
    changes=10,
    settled=10,
    lost=0,
    reads=100,
    stale_reads=0,
    stale_reads_cache_faults=3,
    longest_staleness_s=float(MOST_STALE_SECONDS),
    user_errors=0,
    upstream_peak_rps=40,
    upstream_budget_rps=40,
)


def test_the_json_is_one_line_with_the_promised_names_in_their_order() -> None:
    line = GOOD.to_json()

    assert "\n" not in line
    assert list(json.loads(line)) == [
        "faults",
        "changes",
        "settled",
        "lost",
        "reads",
        "stale_reads",
        "stale_reads_cache_faults",
        "longest_staleness_s",
        "user_errors",
        "upstream_peak_rps",
        "upstream_budget_rps",
    ]
    assert json.loads(line)["faults"] == [
        {"name": "worker_killed", "injected": 2, "seconds_to_recover": 7.5}
    ]


def test_staleness_within_the_pointers_timeout_in_a_fault_of_the_cache_breaks_nothing() -> None:
    assert GOOD.broken() == []


def test_each_promise_is_judged() -> None:
    for broken in (
        {"lost": 1},
        {"stale_reads": 1},
        {"longest_staleness_s": MOST_STALE_SECONDS + 0.1},
        {"user_errors": 1},
        {"upstream_peak_rps": 41},
    ):
        assert len(msgspec.structs.replace(GOOD, **broken).broken()) == 1


def test_every_name_has_its_fault() -> None:
    assert [fault.name for fault in ALL] == list(Name)
