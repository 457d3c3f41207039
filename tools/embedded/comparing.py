"""Runs the same traffic with warming and without it, one after the other, and compares the figures.

Each run is a process of its own, with a database, a cache and a simulator of its own.
"""

import subprocess
import sys
from collections.abc import Sequence

import msgspec
from django.conf import settings
from rich.console import RenderableType
from rich.table import Table

from coordinator.errors import CoordinatorError
from tools.report.summary import Summary

#: How long each of the two runs takes unless it is told.
DEFAULT_SECONDS = 20.0


class RunFailed(CoordinatorError):
    """One of the two runs that were to be compared did not end with its summary."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The summaries of both runs, under the names of the JSON."""

    with_warming: Summary
    without_warming: Summary

    def to_json(self) -> str:
        """Return both as one line of JSON."""
        return msgspec.json.encode(self).decode()


def compare(arguments: Sequence[str]) -> Compared:
    """Run ``manage.py embedded`` with these arguments twice, and return both summaries."""
    return Compared(
        with_warming=_run(arguments), without_warming=_run([*arguments, "--without-warming"])
    )


def _run(arguments: Sequence[str]) -> Summary:
    manage = str(settings.BASE_DIR / "manage.py")
    command = [sys.executable, manage, "embedded", "--json", "--port", "0", *arguments]
    ended = subprocess.run(  # noqa: S603  # our own command, with checked options
        command, stdout=subprocess.PIPE, check=False, text=True
    )
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        raise RunFailed(" ".join(arguments))
    return msgspec.json.decode(lines[-1], type=Summary)


def draw(both: Compared) -> RenderableType:
    """Return the figures side by side, with what warming bought first."""
    on, off = both.with_warming, both.without_warming
    table = Table(title=_headline(on, off), title_justify="left", title_style="bold green")
    table.add_column("")
    table.add_column("with warming", justify="right")
    table.add_column("without", justify="right")
    rows: list[tuple[str, object, object]] = [
        ("readers waited, all together", f"{on.read_wait_s} s", f"{off.read_wait_s} s"),
        ("calls that upstream got", on.upstream_loads, off.upstream_loads),
        ("reads", on.reads, off.reads),
        ("hit ratio", f"{on.hit_ratio:.1%}", f"{off.hit_ratio:.1%}"),
        ("warm read, half are quicker", _ms(on.warm_read_ms_p50), _ms(off.warm_read_ms_p50)),
        ("cold read, half are quicker", _ms(on.cold_read_ms_p50), _ms(off.cold_read_ms_p50)),
        ("changes", on.changes, off.changes),
        ("commit to warm, half are quicker", _ms(on.commit_to_warm_ms_p50), "-"),
        ("stale reads", on.stale_reads, off.stale_reads),
        ("errors", on.errors, off.errors),
    ]
    for name, one, other in rows:
        table.add_row(name, str(one), str(other))
    return table


def _headline(on: Summary, off: Summary) -> str:
    """Return what warming bought, per thousand reads, as both runs measured it."""
    waited = _per_thousand(off.read_wait_s, off) - _per_thousand(on.read_wait_s, on)
    calls = _per_thousand(off.upstream_loads, off) - _per_thousand(on.upstream_loads, on)
    return (
        f"Of 1,000 reads: {waited:,.1f} s that readers did not wait, and {calls:,.0f} calls that "
        "upstream did not get"
    )


def _per_thousand(figure: float, run: Summary) -> float:
    return figure * 1000 / run.reads if run.reads else 0.0


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f} ms"
