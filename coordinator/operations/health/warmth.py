"""How much of what is open is warm, and the gate that waits for it.

A new release whose entries have another schema, or a fresh cache, begins cold: traffic would come
before the workers have warmed anything. With COORDINATOR_READY_WARM_SECONDS above 0 a process asks
for no traffic before enough is warm, or before that time has passed since it began, whichever is
first; from then on the gate stays open. A cache that can't be reached opens it too: waiting won't
warm anything.
"""

import threading
from dataclasses import dataclass

from django.conf import settings

from coordinator.core import clock, resource
from coordinator.core.find import find_entries
from coordinator.core.resource import Resource, Standing
from coordinator.ledger.models import model_of

# From either end of what is open, by number: an index on just that has them in this order.
_SAMPLE_OF_EACH_END = 100


@dataclass(frozen=True, slots=True)
class Warmth:
    """How many open things were looked at, and how many of them were warm."""

    looked_at: int = 0
    warm: int = 0
    reachable: bool = True

    @property
    def share(self) -> float:
        """Return the part that is warm; all of it where nothing is open."""
        return self.warm / self.looked_at if self.looked_at else 1.0


class Gate:
    """Closed when a process begins, open once enough is warm or its time is up. For all threads."""

    def __init__(self) -> None:
        self._began = clock.current().monotonic()
        self._lock = threading.Lock()
        self._passed = False

    def is_open(self, share: float, seconds: float) -> bool:
        """Return True once it is open, measuring only until then.

        `share` of what is open must be warm, or `seconds` have passed since this process began.
        """
        with self._lock:
            if self._passed:
                return True
        if clock.current().monotonic() - self._began < seconds:
            warmth = measure()
            if warmth.reachable and warmth.share < share:
                return False
        with self._lock:
            self._passed = True
        return True


def measure() -> Warmth:
    """Return how warm what is open is, by a sample: two queries and a multi-get per resource."""
    looked_at = warm = 0
    reachable = True
    for of in resource.registered():
        standings = _sample(of)
        found = find_entries(of, standings)
        looked_at += len(standings)
        warm += len(found.entries)
        reachable = reachable and found.reachable
    return Warmth(looked_at, warm, reachable)


def _sample(of: Resource) -> dict[str, Standing]:
    model = model_of(of.name)
    things = model._default_manager.filter(state__in=model.state_table.open_names)
    ends = [things.order_by(order)[:_SAMPLE_OF_EACH_END] for order in ("number", "-number")]
    return {row.number: row.standing() for end in ends for row in end}


#: This process's own, closed since it began.
GATE = Gate()


def gate_is_open() -> bool:
    """Return True once this process may get traffic, as far as warmth is concerned."""
    seconds = settings.COORDINATOR_READY_WARM_SECONDS
    return seconds <= 0 or GATE.is_open(settings.COORDINATOR_READY_WARM_SHARE, seconds)
