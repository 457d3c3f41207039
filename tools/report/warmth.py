"""Measures how long each commit waited until the cache had an entry that shows it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coordinator.core import events
from coordinator.core.carry import CAUSE
from tools.report.samples import Samples

# Past this a change counts as never warmed: abandoned, or not loaded at all.
_FORGOTTEN_AFTER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Commit:
    """One applied change, and when it was recorded (seconds since the epoch)."""

    identifier: str
    revision: int
    recorded_at: float


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry that reached the cache."""

    entry_name: str
    revision: int
    cause: str
    at: float


class Warmth:
    """Joins commits with the entries that show them, wherever those were stored.

    A change that was superseded before it was warm waits for the entry of the newer one: until then
    its payment was cold. `recorded_at` is taken inside the transaction, just before the commit, so
    what is told is a little more than the truth, never less.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.commit_to_warm_ms = Samples()
        self.carried = 0
        """How many of the entries their event brought along."""
        self._clock = clock
        self._stored: dict[str, list[Stored]] = {}
        self._waiting: deque[Commit] = deque()
        self._last: deque[tuple[Commit, Stored]] = deque(maxlen=50)
        self._lock = threading.Lock()

    def watch(self, event: events.CoreEvent) -> None:
        """Take notice of an entry that was stored: a subscriber to the core's events."""
        if isinstance(event, events.EntryWarmed) and event.stored:
            self.note(Stored(event.entry_name, event.revision, event.cause, self._clock()))

    def note(self, stored: Stored) -> None:
        """Take notice of an entry that was stored, perhaps by another process."""
        identifier = stored.entry_name.split(".")[1]
        with self._lock:
            self.carried += stored.cause == CAUSE
            self._stored.setdefault(identifier, []).append(stored)

    def match(self, commits: Iterable[Commit]) -> None:
        """Take new commits in, and measure those whose entry has come."""
        with self._lock:
            self._waiting.extend(commits)
            waiting, self._waiting = self._waiting, deque()
            oldest = self._clock() - _FORGOTTEN_AFTER_SECONDS
            for commit in waiting:
                stored = self._first_that_shows(commit)
                if stored is not None:
                    waited = max(0.0, stored.at - commit.recorded_at)
                    self.commit_to_warm_ms.add(waited * 1000)
                    self._last.append((commit, stored))
                elif commit.recorded_at >= oldest:
                    self._waiting.append(commit)
            self._forget(oldest)

    def last(self, count: int) -> list[tuple[Commit, Stored]]:
        """Return the newest pairs of a commit and the entry that showed it, newest first."""
        with self._lock:
            pairs = sorted(self._last, key=lambda pair: pair[1].at, reverse=True)
        return pairs[:count]

    def _first_that_shows(self, commit: Commit) -> Stored | None:
        return next(
            (
                stored
                for stored in self._stored.get(commit.identifier, ())
                if stored.revision >= commit.revision
            ),
            None,
        )

    def _forget(self, oldest: float) -> None:
        for identifier, stored in list(self._stored.items()):
            kept = [one for one in stored if one.at >= oldest]
            if kept:
                self._stored[identifier] = kept
            else:
                del self._stored[identifier]
