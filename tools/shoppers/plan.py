"""How busy the shop is, and what became of the day: the numbers that go in and come out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tools.shoppers.reading import ReadingOutcome

#: What counts against the service.
FAULTS = (
    ReadingOutcome.LOST,
    ReadingOutcome.LEAKED,
    ReadingOutcome.FAILED,
    ReadingOutcome.UNREACHABLE,
)


@dataclass(frozen=True)
class Plan:
    """What the shoppers do. The defaults suit a laptop that runs everything in one process.

    `rate` is new payments a second, of at most `shoppers` people at a time; a visitor beyond
    those turns away. They look at their payment every `poll_seconds` while they wait
    for something, no longer than `patience_seconds`, and think for `think_seconds` in between
    (each time is drawn around these). Staff and other services make `staff_reads` a second between
    them, mostly of what changed lately. Numbers go from `first_number` on.
    """

    rate: float = 5.0
    shoppers: int = 60
    users: int = 1000
    poll_seconds: float = 0.4
    think_seconds: float = 0.6
    patience_seconds: float = 20.0
    staff: int = 8
    staff_reads: float = 40.0
    connections: int = 64
    prefix: str = "EDX-"
    first_number: int = 1001
    seed: str = "1"


@dataclass
class Visits:
    """What the shoppers did. `impatient` counts waits that ended without what was waited for."""

    created: int = 0
    paid: int = 0
    declined: int = 0
    authenticated: int = 0
    given_up: int = 0
    refunded: int = 0
    disputed: int = 0
    finished: int = 0
    impatient: int = 0
    turned_away: int = 0
    checkout_failed: int = 0


@dataclass(frozen=True)
class Summary:
    """The day's end: what was done, and what came of all readings."""

    visits: Visits
    outcomes: Mapping[ReadingOutcome, int] = field(default_factory=dict)

    @property
    def reads(self) -> int:
        """Return how many readings were made."""
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        """Return how many readings were the service's fault."""
        return sum(self.outcomes.get(outcome, 0) for outcome in FAULTS)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        outcomes = {outcome.value: count for outcome, count in self.outcomes.items()}
        return {**asdict(self.visits), "reads": self.reads, "errors": self.errors, **outcomes}
