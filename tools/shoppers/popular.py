"""Names the popular payments: those that changed lately."""

import random

_REMEMBERED = 200
#: On average, a glance goes this far back.
_MEAN_DEPTH = 15


class Popular:
    """The payments that changed lately, the latest last."""

    def __init__(self) -> None:
        """Start with none."""
        self._numbers: list[str] = []

    def touch(self, number: str) -> None:
        """Note that something happened to this payment just now."""
        if number in self._numbers:
            self._numbers.remove(number)
        self._numbers.append(number)
        del self._numbers[:-_REMEMBERED]

    def pick(self, rng: random.Random) -> str | None:
        """Return a payment, a recent one more likely; None if there is none at all."""
        if not self._numbers:
            return None
        depth = int(rng.expovariate(1 / _MEAN_DEPTH))
        return self._numbers[-1 - min(depth, len(self._numbers) - 1)]
