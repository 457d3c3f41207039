"""What the pages ask of the change log: bounded, and by its indexes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from coordinator.ledger.models import UNSETTLED, Change, ChangeOutcome

#: How many rows a question looks at, at most.
MOST: Final = 2_000
_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class Group:
    """Abandoned changes with one reason: how many, and the newest of them."""

    reason: str
    count: int
    newest: Sequence[Change]


def newest_changes() -> Sequence[Change]:
    """Return the newest changes."""
    return list(Change.objects.order_by("-id").defer("correlation_id")[:_SHOWN])


def history(resource: str, identifier: str) -> Sequence[Change]:
    """Return the newest changes of one thing, newest first."""
    of_it = Change.objects.filter(resource=resource, identifier=identifier)
    return list(of_it.order_by("-id")[:_SHOWN])


def abandoned(reason: str | None = None, ids: Sequence[int] = ()) -> QuerySet[Change]:
    """Return the abandoned changes, newest first: all, those with this reason, or these."""
    found = Change.objects.filter(outcome=ChangeOutcome.ABANDONED)
    if reason is not None:
        found = found.filter(reason=reason)
    if ids:
        found = found.filter(pk__in=ids)
    return found.order_by("-ended_at")


def groups(shown: int = 10) -> Sequence[Group]:
    """Return the newest abandoned changes by reason, the commonest first; counted to `MOST`."""
    newest = list(abandoned()[:MOST])
    counts = Counter(change.reason for change in newest)
    return [
        Group(reason, count, [one for one in newest if one.reason == reason][:shown])
        for reason, count in counts.most_common()
    ]


def waiting_reasons() -> Sequence[tuple[str, int]]:
    """Return why unsettled changes wait that were tried, the commonest first; counted to `MOST`."""
    due_first = Change.objects.filter(UNSETTLED).order_by("next_attempt_at", "id")
    reasons = Counter(due_first.values_list("reason", flat=True)[:MOST])
    del reasons[""]
    return reasons.most_common(20)


def seconds_to_warm(change: Change) -> float | None:
    """Return how long after its recording the change was warm, None if it is not, or never was."""
    ended: datetime | None = change.ended_at
    if ended is None or change.outcome != ChangeOutcome.WARMED:
        return None
    return max(0.0, (ended - change.recorded_at).total_seconds())
