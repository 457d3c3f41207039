"""What a run of the stack may be told on the command line."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.embedded.options import Options as Traffic
from tools.report import arguments


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each: Celery workers, web processes, memcached nodes; `port` 0 is any free one.

    `threads` is tasks at a time in each worker.
    """

    workers: int = 2
    web: int = 2
    threads: int = 8
    memcached: int = 3
    port: int = 8000


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run; the traffic is that of ``make run``.

    `settings` is the settings module, `tuning` what differs from its defaults, by the names of the
    settings. With `restart_after_seconds` a program that ends is started again. `printed` shows on
    the terminal what the programs print; `logs` is a directory to keep it in.
    """

    size: Size = field(default_factory=Size)
    traffic: Traffic = field(default_factory=Traffic)
    settings: str = "coordinator.settings.production"
    tuning: Mapping[str, str] = field(default_factory=dict)
    restart_after_seconds: float | None = None
    printed: bool = False
    logs: Path | None = None


def add_to(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say how large the stack is and what its shoppers do."""
    add, size, traffic = parser.add_argument, Size(), Traffic()
    count, positive = arguments.count, arguments.positive
    add("--workers", type=count, default=size.workers, help="Celery workers (%(default)s)")
    add("--web", type=count, default=size.web, help="web processes (%(default)s)")
    add("--threads", type=count, default=size.threads, help="of each worker (%(default)s)")
    add("--memcached", type=count, default=size.memcached, help="cache nodes (%(default)s)")
    add("--port", type=arguments.port, default=size.port, help="0: any free one (%(default)s)")
    add("--seed", default=traffic.seed, help="repeats a run; else each one is different")
    add("--rate", type=positive, default=traffic.rate, help="payments a second (%(default)s)")
    add("--shoppers", type=count, default=traffic.shoppers, help="at a time (%(default)s)")
    add(
        "--latency-ms",
        type=positive,
        default=traffic.latency_ms,
        help="the provider takes so long to answer, and up to a quarter more (%(default)s)",
    )


def add_logs_to(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says where logs are kept."""
    what = "keep there what each program prints"
    parser.add_argument("--logs", type=Path, metavar="DIRECTORY", help=what)


def size_of(parsed: argparse.Namespace) -> Size:
    """Return how large the stack shall be."""
    return Size(parsed.workers, parsed.web, parsed.threads, parsed.memcached, parsed.port)


def traffic_of(parsed: argparse.Namespace, seconds: float | None) -> Traffic:
    """Return what the shoppers shall do."""
    return Traffic(
        port=parsed.port,
        seconds=seconds,
        seed=parsed.seed,
        shoppers=parsed.shoppers,
        rate=parsed.rate,
        latency_ms=parsed.latency_ms,
    )
