"""``manage.py embedded``: the whole system in one process, with shoppers, for development."""

import argparse
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from coordinator.errors import CoordinatorError
from coordinator.logs import PlainFormatter
from tools.embedded import adapting, comparing, entering, screen, system, welcome
from tools.embedded.interrupts import interruptible
from tools.embedded.options import Options
from tools.embedded.shopping import Party, credential, telling
from tools.report.arguments import count, port, positive
from tools.report.measuring import Figures
from tools.report.troubles import TroubleHandler, Troubles

_ENDING = "Ending: the last events settle first (Ctrl-C doesn't wait for them)"


class Command(BaseCommand):
    help = (
        "Run the whole system in one process: web server, Celery worker and beat, a simulated "
        "payment provider, and shoppers who pay and look. Shows what happens until Ctrl-C."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add, default = parser.add_argument, Options()
        add("--port", type=port, default=default.port, help="0: any free one (%(default)s)")
        add("--seconds", type=positive, help="end by itself after so long; else on Ctrl-C")
        add("--json", action="store_true", help="no table; the summary as JSON, on the last line")
        add(
            "--without-warming",
            action="store_true",
            help="the same traffic with receivers, settling and beats off, for comparison",
        )
        add(
            "--compare",
            action="store_true",
            help="run with warming and without it, one after the other, and show both side by side",
        )
        add("--seed", default=default.seed, help="repeats a run; else each one is different")
        add("--rate", type=positive, default=default.rate, help="payments a second (%(default)s)")
        add("--shoppers", type=count, default=default.shoppers, help="at a time (%(default)s)")
        add(
            "--latency-ms",
            type=positive,
            default=default.latency_ms,
            help="the provider takes so long to answer, and up to a quarter more (%(default)s)",
        )
        add("--log", type=Path, metavar="FILE", help="write the whole log there")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["compare"]:
            self._compare(options)
            return
        given = Options(
            port=options["port"],
            seconds=options["seconds"],
            seed=options["seed"],
            shoppers=options["shoppers"],
            rate=options["rate"],
            latency_ms=options["latency_ms"],
            warming=not options["without_warming"],
        )
        try:
            adapting.check()
            figures = self._run(given, quiet=options["json"], log=options["log"])
        except (CoordinatorError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            # After all else has ended: it is the last line.
            self._say(figures.summary.to_json())

    def _compare(self, options: Mapping[str, Any]) -> None:
        """Run the same traffic twice, and show what warming buys."""
        seconds = options["seconds"] or comparing.DEFAULT_SECONDS
        if not options["json"]:
            self._say(f"Two runs of {seconds:g} s, one after the other: with warming, and without")
        given = [
            *[
                "--seconds",
                f"{seconds:g}",
                "--seed",
                options["seed"],
                "--rate",
                f"{options['rate']:g}",
            ],
            *["--shoppers", str(options["shoppers"]), "--latency-ms", f"{options['latency_ms']:g}"],
        ]
        try:
            both = comparing.compare(given)
        except CoordinatorError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self._say(both.to_json())
        else:
            Console().print(comparing.draw(both))

    def _run(self, given: Options, *, quiet: bool, log: Path | None) -> Figures:
        """Run until it is told to end, and return the last figures."""
        console = Console()
        troubles = Troubles()
        drawn = console.is_terminal and not quiet
        with (
            interruptible() as interrupts,
            _logging(troubles, log, to_terminal=not drawn),
            system.running(given, troubles) as it,
        ):
            number, owner = it.make_example()
            self._say(
                welcome.text(
                    it.url,
                    number,
                    owner,
                    credential(),
                    it.directory,
                    staff_link=entering.link(it.url),
                    warm=given.warming,
                )
            )
            party = Party(
                api=it.url,
                simulator=it.simulator.url,
                shopper_key=it.keys.shopper,
                plan=given.of_shoppers(),
                on_read=telling(it.measurements),
                troubles=troubles,
            )
            look = it.measurements.look
            with screen.choose(console, quiet=quiet, warming=given.warming) as shown:
                with party.shopping():
                    screen.watch(look, shown, interrupts, given.seconds, it.url)
                shown.show(look(), _ENDING)
                it.settle_down(interrupts)
                figures = look()
                shown.end(figures)
            return figures

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        # A reader of a pipe gets it now.
        self.stdout.flush()


@contextmanager
def _logging(troubles: Troubles, path: Path | None, *, to_terminal: bool) -> Iterator[None]:
    """Count what is logged as an error, and write the log where it was asked for."""
    handlers: list[logging.Handler] = [TroubleHandler(troubles)]
    if to_terminal:
        handlers.append(logging.StreamHandler())
        handlers[-1].setLevel(logging.WARNING)
    if path is not None:
        handlers.append(logging.FileHandler(path, mode="w"))
        handlers[-1].setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(PlainFormatter())
    with adapting.logging_to(handlers):
        yield
