"""Draws what docs/performance.md shows: bars of ratios, and how far each goal is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt  # the backend first

from bench.figures import Bound, Figure

_OURS, _OTHERS, _GOAL = "#1f6f8b", "#b8bfc6", "#c0392b"
_INCHES_A_BAR = 0.34
# The same figures give the same file, byte for byte.
_STYLE = {
    "svg.hashsalt": "bench",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(figures: Sequence[Figure], directory: Path) -> list[Path]:
    """Draw the plots that these figures are enough for; return where they are."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context(_STYLE):
        for name, of in _PLOTS.items():
            figure = of(figures)
            if figure is not None:
                path = directory / f"performance-{name}.svg"
                figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
                plt.close(figure)
                drawn.append(path)
    return drawn


def _reads(figures: Sequence[Figure]) -> Any:
    """Return the warm reads of one size, each as a multiple of a raw get."""
    ending = ", 600 bytes"
    chosen = [one for one in figures if one.group == "reads" and one.name.endswith(ending)]
    if not chosen:
        return None
    chosen.sort(key=lambda one: one.ratio, reverse=True)
    figure, axes = _bars(
        [one.name.removesuffix(ending) for one in chosen],
        [one.ratio for one in chosen],
        [_OURS if "read()" in one.name else _OTHERS for one in chosen],
        "{:.2f}",
    )
    axes.set_xlabel("a warm read of 600 bytes on one node, in raw Client.get's")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.axvline(2, color=_GOAL, linewidth=0.8, linestyle="--", label="goal for read(), cold")
    axes.legend(loc="lower right", frameon=False)
    return figure


def _layers(figures: Sequence[Figure]) -> Any:
    """Return what each layer of a warm read adds."""
    chosen = [one for one in figures if one.group == "layers"]
    if not chosen:
        return None
    chosen.reverse()
    whole = sum(one.ours for one in chosen)
    figure, axes = _bars(
        [one.name for one in chosen],
        [100 * one.ours / whole for one in chosen],
        [_OTHERS if one.name.startswith("raw") else _OURS for one in chosen],
        "{:.0f} %",
    )
    axes.set_xlabel("share of a warm read, from the floor up")
    return figure


def _goals(figures: Sequence[Figure]) -> Any:
    """Return how far each goal is: 1 is the goal, less is better. The nodes have their own plot."""
    with_goal = [one for one in figures if one.goal is not None and one.group != "nodes"]
    chosen = [one for one in with_goal if one.goal is not None and one.goal.limit > 0]
    if not chosen:
        return None
    chosen.reverse()
    figure, axes = _bars(
        [f"{one.name} ({one.goal})" for one in chosen],
        [_distance(one) for one in chosen],
        [_OURS if one.met else _GOAL for one in chosen],
        "{:.2f}",
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("share of what the goal allows: to the left of 1 it is met")
    return figure


def _nodes(figures: Sequence[Figure]) -> Any:
    """Return how the hit ratio went while something happened to a node, a panel for each."""
    chosen = [one for one in figures if one.group == "nodes" and one.series]
    if not chosen:
        return None
    figure, panels = plt.subplots(
        len(chosen), sharex=True, sharey=True, squeeze=False, figsize=(7, 1.1 * len(chosen))
    )
    for axes, one in zip(panels[:, 0], chosen, strict=True):
        axes.plot([100 * ratio for ratio in one.series], color=_OURS)
        axes.set_title(one.name.partition(":")[0], loc="left", fontsize=8)
        axes.set_ylim(70, 101)
    panels[-1, 0].set_xlabel(
        "hit ratio (%) by the second; the first step is after 10 (with --quick after 4)"
    )
    figure.tight_layout()
    return figure


def _distance(one: Figure) -> float:
    if one.goal is None:
        return 1.0
    over = max(one.ratio, 1e-3) / one.goal.limit
    return over if one.goal.bound is Bound.AT_MOST else 1 / over


def _bars(
    names: Sequence[str], values: Sequence[float], colours: Sequence[str], text: str
) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(7.5, 0.9 + _INCHES_A_BAR * len(names)))
    bars = axes.barh(names, values, color=list(colours), height=0.7)
    axes.bar_label(bars, labels=[text.format(value) for value in values], padding=3)
    axes.margins(x=0.12)
    return figure, axes


_PLOTS: dict[str, Callable[[Sequence[Figure]], Any]] = {
    "reads": _reads,
    "layers": _layers,
    "goals": _goals,
    "nodes": _nodes,
}
