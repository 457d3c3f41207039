"""Draws the figures of a run, for a terminal of 80 columns or more."""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from coordinator.core.carry import CAUSE
from tools.report.measuring import Figures
from tools.report.summary import Summary
from tools.report.warmth import Commit, Stored

_PANEL_COLUMNS = 59
_NOTE_COLUMNS = 110
#: A line of a panel: what it is, its value, and what that means.
Row = tuple[str, str | Text, str]


def live(figures: Figures, title: str, *, warming: bool) -> RenderableType:
    """Return what the terminal shows while the run goes on."""
    parts: list[RenderableType] = [Text(title, style="bold")]
    if warming:
        parts.append(_headline(figures.summary))
    parts.append(_panels(figures, warming=warming))
    if figures.last and warming:
        parts.append(_last(figures.last))
    if figures.notes:
        parts.append(_trouble(figures))
    return Group(*parts)


def final(figures: Figures, *, warming: bool) -> RenderableType:
    """Return the summary that stays on the terminal after the run."""
    title = "Summary" if warming else "Summary, without warming"
    parts: list[RenderableType] = [Text(title, style="bold")]
    if warming:
        parts.append(_headline(figures.summary))
    parts.append(_panels(figures, warming=warming))
    if figures.errors_by_kind or figures.summary.stale_reads:
        parts.append(_trouble(figures))
    else:
        parts.append(Text("No errors, and no stale read.", style="green"))
    return Group(*parts)


def line(figures: Figures) -> str:
    """Return the figures in one line, for where nothing can be drawn."""
    now = figures.summary
    return (
        f"{now.changes} changes, {figures.counts.backlog.unsettled} waiting; {now.reads} reads, "
        f"{now.hit_ratio:.1%} hits, {now.stale_reads} stale; {now.upstream_loads} upstream loads; "
        f"{now.errors} errors"
    )


def _panels(figures: Figures, *, warming: bool) -> RenderableType:
    return Columns(
        [
            _panel("Changes (the provider's events)", _changes(figures, warming=warming)),
            _panel("Reads (shoppers asking the API)", _reads(figures)),
            _panel("Time", _times(figures.summary, warming=warming)),
            _panel("Upstream (the slow provider)", _upstream(figures.summary, warming=warming)),
        ]
    )


def _changes(figures: Figures, *, warming: bool) -> list[Row]:
    counts, backlog = figures.counts, figures.counts.backlog
    oldest = f"oldest {backlog.oldest_seconds:.1f} s" if backlog.unsettled else "all settled"
    return [
        ("recorded", f"{counts.changes:,}", "in the ledger's change log"),
        ("warmed", f"{counts.warmed:,}", "their entry is in the cache"),
        ("carried", f"{figures.summary.carried:,}", "their event brought it: not loaded"),
        ("superseded", f"{counts.superseded:,}", "a newer change did the work"),
        ("out of date", f"{counts.out_of_date:,}", "came late, changed nothing"),
        ("abandoned", _alarm(counts.abandoned), "could not be warmed"),
        ("backlog", f"{backlog.unsettled:,}", oldest if warming else "not settled"),
    ]


def _reads(figures: Figures) -> list[Row]:
    now = figures.summary
    ratio = Text(f"{now.hit_ratio:.1%}", style="bold green" if now.hit_ratio > 0.9 else "bold")
    return [
        ("reads", f"{now.reads:,}", "requests that got a payment"),
        ("hits", f"{now.hits:,}", "answered from the cache"),
        ("misses", f"{now.misses:,}", "waited for upstream"),
        ("hit ratio", ratio, "hits of all reads"),
        ("too early", f"{figures.too_early:,}", "asked before the first event"),
        ("stale", _alarm(now.stale_reads), "older than the last commit"),
    ]


def _times(now: Summary, *, warming: bool) -> list[Row]:
    rows: list[Row] = [
        ("warm read", _ms(now.warm_read_ms_p50), "a hit, half are quicker"),
        ("cold read", _ms(now.cold_read_ms_p50), "a miss, half are quicker"),
    ]
    if warming:
        rows += [
            ("commit to warm", _ms(now.commit_to_warm_ms_p50), "half are quicker"),
            ("", _ms(now.commit_to_warm_ms_p99), "99 of 100 are quicker"),
        ]
    return rows


def _upstream(now: Summary, *, warming: bool) -> list[Row]:
    loads = ("loads", f"{now.upstream_loads:,}", "as the provider counts them")
    estimate = f"{now.upstream_loads_without_warming:,}"
    if not warming:
        return [loads, ("estimated", estimate, "by a model of these reads")]
    return [loads, ("without warming", estimate, "by a model of these reads")]


def _headline(now: Summary) -> Text:
    """Return what warming buys: time that readers did not wait, calls that upstream did not get."""
    calls = now.upstream_loads_without_warming - now.upstream_loads
    parts = [f"{max(0, calls):,} calls that upstream did not get"]
    if now.read_wait_without_warming_s is not None:
        spared = max(0.0, now.read_wait_without_warming_s - now.read_wait_s)
        parts.insert(0, f"{spared:,.1f} s that readers did not wait")
    return Text(" and ".join(parts), style="bold green")


def _last(last: Sequence[tuple[Commit, Stored]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for commit, stored in last:
        waited = max(0.0, stored.at - commit.recorded_at) * 1000
        by = {"event": "", CAUSE: "carried"}.get(stored.cause, f"by a {stored.cause}")
        grid.add_row(
            Text(f"{datetime.fromtimestamp(stored.at).astimezone():%H:%M:%S}", style="dim"),
            Text(stored.entry_name, style="cyan"),
            f"revision {stored.revision}",
            f"warm after {waited:.0f} ms",
            Text(by, style="dim"),
        )
    title = "Last entries warmed, and how long after their commit"
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED)


def _trouble(figures: Figures) -> RenderableType:
    lines = [Text(_kinds(figures), style="red")] if figures.errors_by_kind else []
    lines += [Text(note[:_NOTE_COLUMNS], style="dim") for note in figures.notes]
    title = f"Errors: {figures.summary.errors}" if figures.summary.errors else "Warnings"
    return Panel(Group(*lines), title=title, title_align="left", box=box.ROUNDED)


def _kinds(figures: Figures) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in figures.errors_by_kind.items())


def _panel(title: str, rows: Sequence[Row]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=15)
    grid.add_column(justify="right", min_width=7)
    grid.add_column(style="dim", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED, width=_PANEL_COLUMNS)


def _ms(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"


def _alarm(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "green")
