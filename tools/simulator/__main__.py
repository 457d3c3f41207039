"""python -m tools.simulator: the simulator as a process of its own.

Prints one JSON line when it is ready, {"event": "simulator.ready", "url": ...}, and nothing else
on standard output. Ends on SIGTERM and SIGINT, or with its parent if it is told to.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence

import msgspec

from tools.simulator.clients import DEFAULT_SERVICE_KEY, DEFAULT_SHOPPER_KEY, Keys
from tools.simulator.errors import SimulatorError
from tools.simulator.faults import Faults, fault_options
from tools.simulator.provider import DEFAULT_EVENTS_KEPT
from tools.simulator.sender import DEFAULT_WEBHOOK_SECRET
from tools.simulator.server import Options, serve
from tools.simulator.store import DEFAULT_LIMIT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Return the exit status: 1 if the server could not start."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=parsed.log_level.upper(), format="%(levelname)s %(message)s")
    try:
        options = _options(parsed)
        asyncio.run(_run(options, exit_with_parent=parsed.exit_with_parent))
    except (SimulatorError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    return 0


async def _run(options: Options, *, exit_with_parent: bool) -> None:
    """Serve until a signal comes, or the end of standard input."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_with_parent:
        _watch_parent(loop, stop)
    await serve(options, stop, _announce)


def _announce(host: str, port: int) -> None:
    """Print the address."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    line = {"event": "simulator.ready", "host": host, "port": port, "url": url}
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends, which it does when the parent is gone.

    A thread of its own reads it, as an event loop can wait for some kinds of file only. What comes
    in is thrown away.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _options(parsed: argparse.Namespace) -> Options:
    """Return the options that the command line asks for."""
    faults = {option.field: getattr(parsed, option.field) for option in fault_options()}
    return Options(
        seed=parsed.seed or secrets.token_hex(8),
        host=parsed.host,
        port=parsed.port,
        webhook_url=parsed.webhook_url,
        webhook_secret=parsed.webhook_secret,
        webhook_concurrency=parsed.webhook_concurrency,
        keys=Keys(service=parsed.api_key, shopper=parsed.shopper_key),
        faults=msgspec.convert(faults, Faults),
        payments=parsed.payments,
        max_payments=parsed.max_payments,
        max_events=parsed.max_events,
    )


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulator", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=12111, help="0 for any free port; the ready line says which")
    add("--webhook-url", help="where events are sent; without it they are only kept")
    secret = os.environ.get("SIMULATOR_WEBHOOK_SECRET", DEFAULT_WEBHOOK_SECRET)
    add("--webhook-secret", default=secret, help="or SIMULATOR_WEBHOOK_SECRET in the environment")
    add("--webhook-concurrency", type=int, default=16, help="webhooks sent at once")
    add("--api-key", default=DEFAULT_SERVICE_KEY, help="the service's key, which meets the faults")
    add("--shopper-key", default=DEFAULT_SHOPPER_KEY, help="the shoppers' key, which meets none")
    add("--seed", help="repeats a run; by default every run is different")
    add("--payments", type=int, default=0, help="payments that exist from the start")
    add("--max-payments", type=int, default=DEFAULT_LIMIT, help="the oldest beyond are forgotten")
    add("--max-events", type=int, default=DEFAULT_EVENTS_KEPT, help="the same for events")
    add("--exit-with-parent", action="store_true", help="end when standard input is closed")
    add("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    group = parser.add_argument_group("faults", "may be changed at /_simulator/config")
    for option in fault_options():
        name = f"--{option.field.replace('_', '-')}"
        group.add_argument(
            name,
            type=option.type,
            default=option.default,
            help=f"{option.description} (%(default)s)",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
