"""What readers and writers write down: one line for each read and each commit."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: How a read ended that is neither a hit nor a load of its own.
WAITED, FAILED = "waited", "failed"
HIT, LOADED = "hit", "loaded"


class Read(NamedTuple):
    """A read that began at `began` (monotonic seconds); `revision` is 0 if it brought nothing."""

    began: float
    payment: int
    revision: int
    outcome: str


class Commit(NamedTuple):
    """A change of a payment that was committed at `at` (monotonic seconds)."""

    at: float
    payment: int
    revision: int


def line(record: Read | Commit) -> str:
    """Return the line that a record is written as."""
    return " ".join(str(part) for part in record) + "\n"


def reads(directory: Path) -> list[Read]:
    """Return what the readers of a scenario wrote down, in the order of time."""
    return sorted(
        Read(float(began), int(payment), int(revision), outcome)
        for began, payment, revision, outcome in _parts(directory, "reads.*")
    )


def commits(directory: Path) -> list[Commit]:
    """Return what the writers of a scenario wrote down, in the order of time."""
    return sorted(
        Commit(float(at), int(payment), int(revision))
        for at, payment, revision in _parts(directory, "commits.*")
    )


def _parts(directory: Path, pattern: str) -> Iterator[list[str]]:
    for path in sorted(directory.glob(pattern)):
        for text in path.read_text().splitlines():
            yield text.split()
