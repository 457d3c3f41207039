"""What exploring has come to: plain values, which processes can hand each other."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Failure:
    """A schedule that broke a promise: its name, and its story."""

    name: str
    guarantee: str
    story: str


@dataclass
class Tally:
    """What one process has come to so far: schedules visited in order, and random ones."""

    visited: int = 0
    wandered: int = 0
    failures: list[Failure] = field(default_factory=list)
    #: Situations that were visited to the end, and with how many schedules.
    finished: dict[str, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0


@dataclass
class Total:
    """What all processes have come to."""

    tallies: dict[int, Tally] = field(default_factory=dict)

    @property
    def explored(self) -> int:
        """Return how many schedules were explored."""
        return sum(tally.visited + tally.wandered for tally in self.tallies.values())

    @property
    def wandered(self) -> int:
        """Return how many of them were random ones."""
        return sum(tally.wandered for tally in self.tallies.values())

    @property
    def failures(self) -> list[Failure]:
        """Return the schedules that broke a promise."""
        return [failure for tally in self.tallies.values() for failure in tally.failures]

    @property
    def finished(self) -> dict[str, int]:
        """Return the situations that were visited to the end, with their schedules."""
        return {
            name: count for tally in self.tallies.values() for name, count in tally.finished.items()
        }

    @property
    def cpu_seconds(self) -> float:
        """Return what it took of the processors."""
        return sum(tally.cpu_seconds for tally in self.tallies.values())
