"""Shows what was measured: a table on the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from bench.figures import Figure


def table(figures: Iterable[Figure]) -> Table:
    """Return the table of these figures."""
    grid = Table(box=None, header_style="bold", pad_edge=False)
    grid.add_column("what", overflow="fold")
    grid.add_column("ours", justify="right")
    grid.add_column("other", justify="right")
    grid.add_column("ratio", justify="right")
    grid.add_column("goal", justify="right")
    grid.add_column("")
    group = ""
    for one in figures:
        if one.group != group:
            group = one.group
            grid.add_row(f"[bold]{group}[/]")
        grid.add_row(
            f"  {one.name}",
            _amount(one.ours, one.unit),
            "" if one.other is None else f"{_amount(one.other, one.unit)} {one.against}",
            f"{one.ratio:.2f}" if one.other is not None else f"{one.ratio:g}",
            "" if one.goal is None else str(one.goal),
            {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[one.met],
        )
    return grid


def conclude(console: Console, figures: Sequence[Figure]) -> None:
    """Say in one line how many goals were met, and which were not."""
    goals = [one for one in figures if one.goal is not None]
    missed = [f"{one.name} ({one.ratio:.2f}, goal {one.goal})" for one in goals if not one.met]
    console.print(f"\n{len(goals) - len(missed)} of {len(goals)} goals met.", highlight=False)
    for line in missed:
        console.print(f"  missed: {line}", highlight=False, markup=False)


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}".rstrip() if value >= 100 else f"{value:.3g} {unit}".rstrip()
