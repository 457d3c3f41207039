"""python -m tools.chaos: breaks the running system on purpose, under traffic; `make chaos`.

Ends with a table and, as the last line, one JSON object. The exit status is 1 if a promise was
broken.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from coordinator.errors import CoordinatorError
from tools.chaos import tuning
from tools.chaos.names import Name
from tools.embedded.interrupts import interruptible
from tools.embedded.options import Options as Traffic
from tools.report import arguments
from tools.stack import system
from tools.stack.options import Options, Size, add_logs_to

_SECONDS = 180.0
_RATE = 3.0
_RESTART_AFTER_SECONDS = 0.5


def main(given: Sequence[str] | None = None) -> int:
    """Run until the time is over or it is interrupted. Return the exit status."""
    parsed = _parser().parse_args(given)
    try:
        return _run(parsed)
    except system.Interrupted:
        return 130
    except CoordinatorError as error:
        sys.stderr.write(f"chaos: {error}\n")
        return 1


def _run(parsed: argparse.Namespace) -> int:
    say = _keep_quiet if parsed.json else _say
    with tempfile.TemporaryDirectory(prefix="chaos-") as orders, interruptible() as interrupts:
        traffic = Traffic(seconds=parsed.seconds, seed=parsed.seed, rate=_RATE)
        wanted = Options(
            size=Size(workers=2, web=2, threads=4, memcached=3, port=0),
            traffic=traffic,
            settings="tools.chaos.settings",
            tuning={**tuning.SETTINGS, "CHAOS_DIRECTORY": orders},
            restart_after_seconds=_RESTART_AFTER_SECONDS,
            logs=parsed.logs,
        )
        say(f"Starting the stack (--seed {traffic.seed}) ...")
        with system.running(wanted, interrupts) as it:
            # Reads settings and models, for which the addresses had to be known first.
            from tools.chaos.faults import ALL
            from tools.chaos.run import run

            faults = [fault for fault in ALL if not parsed.only or fault.name in parsed.only]
            report, shown = run(it, faults, parsed.seconds, Path(orders), say)
    if not parsed.json:
        Console().print(shown)
    # After all else has ended: it is the last line.
    _say(report.to_json())
    return 1 if report.broken() else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    # A reader of a pipe gets it now.
    sys.stdout.flush()


def _keep_quiet(_: str) -> None:
    return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=arguments.positive, default=_SECONDS, help="of faults (%(default)g)")
    add(
        "--only",
        action="append",
        choices=[name.value for name in Name],
        metavar="FAULT",
        help=f"this one alone (may be given again): {', '.join(Name)}",
    )
    add("--seed", default=Traffic().seed, help="repeats the order of faults; else drawn")
    add_logs_to(parser)
    add("--json", action="store_true", help="nothing but the last line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
