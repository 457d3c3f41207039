"""The comparison of a run with warming and one without it."""

import io
import json

import msgspec
from rich.console import Console

from tests.support.summary import KEYS
from tools.embedded import comparing
from tools.embedded.comparing import Compared
from tools.report.summary import Summary


def summary(**figures: float) -> Summary:
    values: dict[str, float] = {**dict.fromkeys(KEYS, 0), **figures}
    return msgspec.convert(values, Summary)


BOTH = Compared(
    with_warming=summary(reads=1000, read_wait_s=2.0, upstream_loads=10, hit_ratio=1),
    without_warming=summary(reads=500, read_wait_s=13.0, upstream_loads=100),
)


def test_the_headline_is_what_warming_bought_for_as_many_reads() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(comparing.draw(BOTH))
    assert isinstance(console.file, io.StringIO)
    drawn = " ".join(console.file.getvalue().split())
    # 26 s against 2 s, and 200 calls against 10, for each thousand reads.
    assert "24.0 s that readers did not wait" in drawn
    assert "190 calls that upstream did not get" in drawn


def test_the_json_has_both_summaries_with_the_promised_keys() -> None:
    both = json.loads(BOTH.to_json())
    assert list(both) == ["with_warming", "without_warming"]
    assert [list(one) for one in both.values()] == [KEYS, KEYS]
