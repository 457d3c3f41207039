"""``make bench``: measure, show, write down, draw. Exits with 0 whatever the figures are."""

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from bench import groups, options, recorded, report, site
from bench.figures import Figure
from tools.servers.server import ServerMissing


def main() -> int:
    """Run the groups that the command line names; return the exit status."""
    chosen = options.parse(sys.argv[1:], groups.ABOUT, groups.BY_NAME)
    console = Console(stderr=False, soft_wrap=False)
    core = site.pin(chosen.core)
    figures: list[Figure] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user below it
        try:
            with site.opened(Path(directory)) as here:
                for name in chosen.groups:
                    console.print(f"[dim]{name}: {groups.ABOUT[name]} ...[/]")
                    measured = groups.load(name)(here, chosen)
                    figures += measured
                    console.print(report.table(measured))
        except ServerMissing as missing:
            console.print(f"Not installed: {missing}", markup=False)
            return 1
    kept = recorded.keep(figures, chosen)
    report.conclude(console, figures)
    seconds = time.monotonic() - began
    console.print(
        f"Everything on core {core}, {seconds:.0f} seconds. Written to {chosen.results}.",
        markup=False,
        highlight=False,
    )
    from bench import plots  # matplotlib takes a second to import: not while something is measured

    for path in plots.draw(kept, chosen.plots):
        console.print(f"Drawn: {path}", markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
