"""How many inputs each kind gets, and how progress is shown."""

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

Test = TypeVar("Test", bound=Callable[..., None])

#: All kinds together.
INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))
_TELL_EVERY_SECONDS = 10.0


def share(percent: int) -> Callable[[Test], Test]:
    """Try so many percent of all inputs, without a time limit for each."""
    return settings(
        max_examples=max(1, INPUTS * percent // 100),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Progress:
    """Counts inputs, and says every ten seconds how many they were."""

    def __init__(self, kind: str) -> None:
        self.count = 0
        self._kind = kind
        self._told = time.monotonic()

    def tick(self) -> None:
        """Count one more."""
        self.count += 1
        if time.monotonic() - self._told >= _TELL_EVERY_SECONDS:
            self._told = time.monotonic()
            sys.__stderr__.write(f"{self._kind}: {self.count} inputs\n")  # type: ignore[union-attr]
