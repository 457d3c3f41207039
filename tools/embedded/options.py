"""What a run may be told on the command line."""

import secrets
from dataclasses import dataclass, field

from tools.shoppers import Plan

# The simulator numbers the payments that it makes up from 1001 on.
_FIRST_NUMBER = 2001


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run; `seconds` None goes on until Ctrl-C, `port` 0 is any free one.

    The same `seed` lets the same things happen in the same order, as far as threads allow. `rate`
    is new payments a second, of at most `shoppers` people at a time.
    """

    port: int = 8000
    seconds: float | None = None
    seed: str = field(default_factory=lambda: secrets.token_hex(4))
    shoppers: int = Plan.shoppers
    rate: float = Plan.rate
    latency_ms: float = 80.0
    warming: bool = True

    def of_simulator(self) -> list[str]:
        """Return the simulator's options: an ordinary day, so with some trouble in it.

        Webhooks are late by up to a fifth of a second, one of twenty comes twice and another comes
        after those that follow it: no provider promises better, and none of it may be seen in what
        readers get.
        """
        return [
            *["--seed", self.seed],
            *["--latency-ms", str(self.latency_ms), "--jitter-ms", str(self.latency_ms / 4)],
            *["--webhook-delay-ms", "50", "--webhook-jitter-ms", "150"],
            *["--duplicate-rate", "0.05", "--reorder-rate", "0.05"],
        ]

    def of_shoppers(self) -> Plan:
        """Return what the shoppers do."""
        return Plan(
            rate=self.rate, shoppers=self.shoppers, first_number=_FIRST_NUMBER, seed=self.seed
        )
