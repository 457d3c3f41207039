"""Shows what was measured: a table on the terminal, and a file for whoever compares runs."""

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from bench.options import Options

_PACKAGES = ("Django", "celery", "pymemcache", "edx-django-utils", "granian")


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


def as_data(figures: Sequence[Figure], options: Options) -> dict[str, Any]:
    """Return what is written to the results file."""
    memory = psutil.virtual_memory().total
    return {
        "taken": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "how": "quick" if options.quick else "full",
            "note": options.note,
            "groups": list(options.groups),
            "cores": psutil.cpu_count(),
            "load_before": round(psutil.getloadavg()[1], 2),
            "memory_gb": round(memory / 2**30),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in _PACKAGES},
        },
        "figures": [
            {
                "group": one.group,
                "name": one.name,
                "unit": one.unit,
                "ours": _rounded(one.ours),
                "other": None if one.other is None else _rounded(one.other),
                "against": one.against,
                "ratio": _rounded(one.ratio),
                "goal": None if one.goal is None else str(one.goal),
                "met": one.met,
            }
            for one in figures
        ],
    }


def write(figures: Sequence[Figure], options: Options) -> None:
    """Write the results file."""
    options.results.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_data(figures, options), indent=1, ensure_ascii=False)
    options.results.write_text(text + "\n")


def conclude(console: Console, figures: Sequence[Figure]) -> None:
    """Say in one line how many goals were met, and which were not."""
    goals = [one for one in figures if one.goal is not None]
    missed = [f"{one.name} ({one.ratio:.2f}, goal {one.goal})" for one in goals if not one.met]
    console.print(f"\n{len(goals) - len(missed)} of {len(goals)} goals met.", highlight=False)
    for line in missed:
        console.print(f"  missed: {line}", highlight=False, markup=False)


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}".rstrip() if value >= 100 else f"{value:.3g} {unit}".rstrip()


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
