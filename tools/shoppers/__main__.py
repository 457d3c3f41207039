"""python -m tools.shoppers: shoppers as a process of their own.

Ends after --seconds, or on SIGTERM and SIGINT, with a summary; --json makes it one line of JSON,
the last one. The exit status is 1 if any reading was the service's fault.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import statistics
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from tools.shoppers.crowd import Shoppers
from tools.shoppers.plan import Plan, Summary
from tools.shoppers.reading import Reading, ReadingOutcome
from tools.shoppers.tokens import token_credential
from tools.simulator.clients import DEFAULT_SHOPPER_KEY

#: Latencies kept for the percentiles, the latest of them.
_KEPT = 100_000


class Measured:
    """What can be said of the readings from here: hits by Cache-Status, and how long they took."""

    def __init__(self) -> None:
        """Start with none."""
        self.hits = 0
        self.misses = 0
        self._warm: deque[float] = deque(maxlen=_KEPT)
        self._cold: deque[float] = deque(maxlen=_KEPT)

    def add(self, reading: Reading) -> None:
        """Count a reading that found its payment."""
        if reading.outcome is not ReadingOutcome.FOUND:
            return
        if reading.is_hit:
            self.hits += 1
            self._warm.append(reading.seconds)
        else:
            self.misses += 1
            self._cold.append(reading.seconds)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data; what nothing was measured of is null."""
        found = self.hits + self.misses
        return {
            "hits": self.hits,
            "misses": self.misses,
            "hit_ratio": round(self.hits / found, 4) if found else None,
            "warm_read_ms_p50": _median_ms(self._warm),
            "cold_read_ms_p50": _median_ms(self._cold),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Let people shop until the time is over. Return the exit status."""
    parsed = _parser().parse_args(arguments)
    summary, measured = asyncio.run(_run(parsed))
    shown = {**summary.as_json(), **measured.as_json()}
    if parsed.json:
        sys.stdout.write(f"{json.dumps(shown)}\n")
    else:
        for name, value in shown.items():
            sys.stdout.write(f"{name:>20}  {value}\n")
    return 1 if summary.errors else 0


async def _run(parsed: argparse.Namespace) -> tuple[Summary, Measured]:
    """Run the shoppers until the time is over or a signal comes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parsed.seconds:
        loop.call_later(parsed.seconds, stop.set)
    measured = Measured()
    shoppers = Shoppers(
        simulator=parsed.simulator,
        api=parsed.api,
        credential=token_credential(
            parsed.jwt_secret, issuer=parsed.jwt_issuer, audience=parsed.jwt_audience
        ),
        plan=_plan(parsed),
        shopper_key=parsed.shopper_key,
        on_read=measured.add,
    )
    return await shoppers.run(stop), measured


def _plan(parsed: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for."""
    seed = parsed.seed or secrets.token_hex(8)
    return Plan(
        rate=parsed.rate,
        shoppers=parsed.shoppers,
        users=parsed.users,
        staff_reads=parsed.staff_reads,
        connections=parsed.connections,
        prefix=parsed.prefix,
        first_number=parsed.first_number,
        seed=seed,
    )


def _median_ms(seconds: Sequence[float]) -> float | None:
    """Return the median in milliseconds, None of nothing."""
    return round(statistics.median(seconds) * 1000, 3) if seconds else None


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.shoppers", description=__doc__)
    add, plan = parser.add_argument, Plan()
    add("--simulator", required=True, help="the simulator's address")
    add("--api", required=True, help="our API's address")
    secret = os.environ.get("JWT_SECRET_KEY", "")
    add("--jwt-secret", default=secret, help="signs tokens; or JWT_SECRET_KEY in the environment")
    add("--jwt-issuer", default="http://127.0.0.1:8000/oauth2")
    add("--jwt-audience", default="coordinator")
    add("--shopper-key", default=DEFAULT_SHOPPER_KEY)
    add("--seconds", type=float, default=0, help="0 for until a signal comes")
    add("--rate", type=float, default=plan.rate, help="new payments a second (%(default)s)")
    add("--shoppers", type=int, default=plan.shoppers, help="people at a time (%(default)s)")
    add("--users", type=int, default=plan.users, help="different people (%(default)s)")
    add("--staff-reads", type=float, default=plan.staff_reads, help="a second (%(default)s)")
    add("--connections", type=int, default=plan.connections, help="at most (%(default)s)")
    add("--prefix", default=plan.prefix)
    add("--first-number", type=int, default=plan.first_number)
    add("--seed", help="repeats the shoppers' decisions; by default every run is different")
    add("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
