"""The results file: the figures of each group's last run, and how that run was taken."""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil

from bench import groups
from bench.figures import Bound, Figure, Goal
from bench.options import Options

_PACKAGES = ("Django", "celery", "pymemcache", "edx-django-utils", "granian")


def keep(figures: Sequence[Figure], options: Options) -> list[Figure]:
    """Write `figures` to the results file; return all that it holds then.

    What was measured of other groups before stays, each group with how it was taken.
    """
    file = options.results
    before = json.loads(file.read_text()) if file.exists() else {"taken": {}, "figures": []}
    stay = [one for one in map(_figure, before["figures"]) if one.group not in options.groups]
    order = list(groups.ABOUT)
    merged = sorted([*stay, *figures], key=lambda one: order.index(one.group))
    now = _taken(options)
    data = {
        "taken": {
            group: now if group in options.groups else before["taken"].get(group)
            for group in dict.fromkeys(one.group for one in merged)
        },
        "figures": [_data(one) for one in merged],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return merged


def _taken(options: Options) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "how": "quick" if options.quick else "full",
        "note": options.note,
        "cores": psutil.cpu_count(),
        "load_before": round(psutil.getloadavg()[1], 2),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _data(one: Figure) -> dict[str, Any]:
    return {
        "group": one.group,
        "name": one.name,
        "unit": one.unit,
        "ours": _rounded(one.ours),
        "other": None if one.other is None else _rounded(one.other),
        "against": one.against,
        "ratio": _rounded(one.ratio),
        "goal": None if one.goal is None else str(one.goal),
        "met": one.met,
        **({"series": [_rounded(value) for value in one.series]} if one.series else {}),
    }


def _figure(data: dict[str, Any]) -> Figure:
    goal = None
    if data["goal"]:
        bound, _, limit = data["goal"].partition(" ")
        goal = Goal(float(limit), Bound(bound))
    return Figure(
        data["group"],
        data["name"],
        data["ours"],
        data["unit"],
        data["ratio"],
        data["other"],
        data["against"],
        goal,
        tuple(data.get("series", ())),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
