"""Follows the change log while something runs: what came in, and how it ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from coordinator.ledger import queue
from coordinator.ledger.models import Change, ChangeOutcome
from coordinator.ledger.queue import Backlog
from tools.report.warmth import Commit

# A transaction that began earlier may commit later: a look only past the newest row that it
# has seen would miss it.
_OVERLAP = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many changes there are, and how they ended; what is left has not."""

    changes: int
    warmed: int
    superseded: int
    out_of_date: int
    abandoned: int
    backlog: Backlog


class ChangeLog:
    """Reads the change log from `since` on. For one thread."""

    def __init__(self, since: datetime | None = None) -> None:
        self._since = since or timezone.now()
        self._from = self._since
        self._seen: dict[int, datetime] = {}

    def new_commits(self) -> Iterable[Commit]:
        """Return the applied changes that were committed since the last call."""
        rows = Change.objects.filter(recorded_at__gte=self._from, applied=True).values_list(
            "pk", "identifier", "revision", "recorded_at"
        )
        commits = []
        for pk, identifier, revision, recorded_at in rows:
            if pk not in self._seen:
                self._seen[pk] = recorded_at
                commits.append(Commit(identifier, revision, recorded_at.timestamp()))
        self._from = max(self._since, timezone.now() - _OVERLAP)
        self._seen = {pk: at for pk, at in self._seen.items() if at >= self._from}
        return commits

    def counts(self) -> Counts:
        """Return how many changes there are since the beginning, and how they ended."""
        ended = dict(
            Change.objects.filter(recorded_at__gte=self._since)
            .values_list("outcome")
            .annotate(Count("pk"))
        )
        return Counts(
            changes=sum(ended.values()),
            warmed=ended.get(ChangeOutcome.WARMED, 0),
            superseded=ended.get(ChangeOutcome.SUPERSEDED, 0),
            out_of_date=ended.get(ChangeOutcome.OUT_OF_DATE, 0),
            abandoned=ended.get(ChangeOutcome.ABANDONED, 0),
            backlog=queue.backlog(),
        )
