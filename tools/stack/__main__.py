"""python -m tools.stack: the whole system as processes of its own, with shoppers; `make stack`.

Ends after --seconds, or on Ctrl-C, with a summary; --json makes it one line of JSON, the last one.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from coordinator.errors import CoordinatorError
from tools.embedded.interrupts import interruptible
from tools.report import arguments
from tools.stack import options, system


def main(given: Sequence[str] | None = None) -> int:
    """Run until the time is over or it is interrupted. Return the exit status."""
    parsed = _parser().parse_args(given)
    wanted = options.Options(
        size=options.size_of(parsed),
        traffic=options.traffic_of(parsed, parsed.seconds),
        printed=not parsed.json,
        logs=parsed.logs,
    )
    try:
        summary = _run(wanted, parsed.seconds)
    except system.Interrupted:
        return 130
    except CoordinatorError as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1
    if parsed.json:
        # After all else has ended: it is the last line.
        _say(summary)
    return 0


def _run(wanted: options.Options, seconds: float | None) -> str:
    with interruptible() as interrupts:
        _say("Starting PostgreSQL, Redis, memcached, web, workers, beat and the simulator ...")
        with system.running(wanted, interrupts) as it:
            # Reads settings and models, for which the addresses had to be known first.
            from tools.report import table
            from tools.stack.run import Run

            run = Run(it)
            run.greet(_say)
            run.shop(seconds)
            _say("Ending: the last events settle first (Ctrl-C doesn't wait for them)")
            run.settle_down()
            figures = run.sum_up()
        if wanted.printed:
            Console().print(table.final(figures, warming=True))
        return figures.summary.to_json()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    # A reader of a pipe gets it now.
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument(
        "--seconds", type=arguments.positive, help="end by itself after so long; else on Ctrl-C"
    )
    parser.add_argument(
        "--json", action="store_true", help="no logs; the summary as JSON, on the last line"
    )
    options.add_to(parser)
    options.add_logs_to(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
