"""What the command line says of a run."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_RESULTS, _PLOTS = _HERE / "results.json", _HERE.parent / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured, and where the results go."""

    quick: bool = False
    groups: tuple[str, ...] = ()
    results: Path = _RESULTS
    plots: Path = _PLOTS
    note: str = ""
    core: int | None = None

    def of(self, quick: int, full: int) -> int:
        """Return how many of something this run does."""
        return quick if self.quick else full


def parse(arguments: Sequence[str], groups: Mapping[str, str], by_name: Sequence[str]) -> Options:
    """Return the options in `arguments`; exits with a message for what can't be understood.

    `groups` says what each group is; those `by_name` run only when they are named.
    """
    lines = "\n".join(f"  {name:10} {about}" for name, about in groups.items())
    parser = argparse.ArgumentParser(
        prog='make bench ARGS="..."',
        description=__doc__,
        epilog=f"groups:\n{lines}\n\n{', '.join(by_name)}: only when named.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: 2 minutes")
    parser.add_argument(
        "--group", action="append", default=[], choices=list(groups), help="only this one, or these"
    )
    parser.add_argument("--results", type=Path, default=_RESULTS, metavar="FILE")
    parser.add_argument("--plots", type=Path, default=_PLOTS, metavar="DIRECTORY")
    parser.add_argument("--note", default="", help="kept in the results: how they were taken")
    parser.add_argument("--core", type=int, help="which core to pin everything to")
    found = parser.parse_args(arguments)
    return Options(
        quick=found.quick,
        groups=tuple(found.group) or tuple(name for name in groups if name not in by_name),
        results=found.results,
        plots=found.plots,
        note=found.note,
        core=found.core,
    )
