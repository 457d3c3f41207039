"""The change log as a queue: claims what is due, and writes down how it ended.

At least once: a claim only hides a change for a while (``COORDINATOR_CLAIM_SECONDS``); it ends when
its outcome is written, after the work. A worker that dies leaves a delay, and one claim without an
outcome: that is counted apart from attempts, which say something of the change.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, Count, F, Min, When
from django.utils import timezone

from coordinator.ledger.claiming import claim
from coordinator.ledger.models import UNSETTLED, Change, ChangeOutcome
from coordinator.ledger.signals import ChangeEnded, changes_ended
from coordinator.ledger.transactions import run_again

__all__ = ["Backlog", "Ending", "backlog", "claim", "conclude", "make_due", "retry", "retry_all"]

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """What to write down of one claimed change.

    An empty outcome leaves it in the queue until `again_in_seconds` have passed, and so does a
    pointer that is not confirmed. `burn` is False when the attempt does not count; `tried` is False
    when there was none, which leaves open if a worker would have survived it.
    """

    outcome: str = ""
    reason: str = ""
    confirmed: bool = False
    again_in_seconds: float = 0.0
    burn: bool = True
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is unsettled, and how long its oldest change has been waiting."""

    unsettled: int
    oldest_seconds: float


# Never below 0, which MariaDB would not even compute: its column has no sign.
_ONE_LESS: Final = Case(When(claims__gt=0, then=F("claims") - 1), default=0)


def conclude(endings: Iterable[tuple[Change, Ending]]) -> None:
    """Write down how claimed changes ended: one statement for each way of ending."""
    groups: dict[tuple[Ending, str], list[Change]] = defaultdict(list)
    for change, ending in endings:
        pause = _in_steps(ending.again_in_seconds)
        groups[replace(ending, again_in_seconds=pause), change.outcome].append(change)
    for (ending, known), changes in groups.items():
        now = timezone.now()
        columns: dict[str, object] = {
            "reason": ending.reason[:200],
            "next_attempt_at": now + timedelta(seconds=ending.again_in_seconds),
        }
        if ending.outcome and not known:
            columns |= {"outcome": ending.outcome, "ended_at": now}
        if ending.confirmed:
            columns["confirmed_at"] = now
        if ending.tried and ending.burn:
            columns["attempts"] = F("attempts") + 1
        # Never below 0: `retry` may have set it to 0 meanwhile.
        columns["claims"] = 0 if ending.tried else _ONE_LESS
        # A late worker's update (its claim ran out, and another worker took over; or an abandoned
        # change is to be tried again) matches no row, so it changes nothing.
        count = _write([change.pk for change in changes], known, columns)
        if ending.outcome and not known:
            _tell_ended(changes if count == len(changes) else _ended_at(changes, now), ending, now)


@run_again
def _write(changes: list[int], known: str, columns: dict[str, object]) -> int:
    """Write `columns` to those of `changes` whose outcome is still `known`; return how many."""
    unmoved = Change.objects.filter(pk__locked_among=changes, outcome=known)
    if known:
        unmoved = unmoved.filter(confirmed_at=None)
    return unmoved.update(**columns)


def _in_steps(seconds: float) -> float:
    """Return `seconds` rounded up to an eighth of the power of two above.

    Pauses are spread at random, each change's its own. In steps, a page whose loads all failed is
    put back by nine statements at most, not by one for each change.
    """
    if seconds <= 0:
        return 0.0
    step = 2.0 ** (math.ceil(math.log2(seconds)) - 3)
    return math.ceil(seconds / step) * step


def _ended_at(changes: Iterable[Change], moment: datetime) -> list[Change]:
    """Return which of these changes ended here, at this moment: the others ended elsewhere."""
    ours = Change.objects.filter(pk__in=[change.pk for change in changes], ended_at=moment)
    ids = set(ours.values_list("pk", flat=True))
    return [change for change in changes if change.pk in ids]


def _tell_ended(changes: Iterable[Change], ending: Ending, moment: datetime) -> None:
    endings = [
        ChangeEnded(
            change.resource,
            str(ending.outcome),
            ending.reason,
            max(0.0, (moment - change.recorded_at).total_seconds()),
        )
        for change in changes
    ]
    if endings:
        changes_ended.send_robust(sender=Change, endings=endings)


def backlog(at_most: int | None = None) -> Backlog:
    """Return how much is unsettled now.

    With `at_most` no more than so many rows are looked at, those that are due first: a bound on
    what the question costs, and on both of its answers.
    """
    unsettled = Change.objects.filter(UNSETTLED)
    if at_most is not None:
        unsettled = unsettled.order_by("next_attempt_at", "id")[:at_most]
    found = unsettled.aggregate(count=Count("pk"), oldest=Min("recorded_at"))
    oldest: datetime | None = found["oldest"]
    age = 0.0 if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds())
    return Backlog(found["count"], age)


@run_again
def make_due(resource: str, identifier: str) -> int:
    """Let the unsettled changes of one thing be due now; return how many were not.

    Those that a worker has claimed are left to it.
    """
    now = timezone.now()
    waiting = Change.objects.filter(
        UNSETTLED, resource=resource, identifier=identifier, claims=0, next_attempt_at__gt=now
    )
    return waiting.update(next_attempt_at=now)


@run_again
def retry(changes: Iterable[int]) -> int:
    """Put abandoned changes (by id) back into the queue, due now; return how many."""
    return Change.objects.filter(
        pk__locked_among=list(changes), outcome=ChangeOutcome.ABANDONED
    ).update(
        outcome="",
        reason="",
        ended_at=None,
        attempts=0,
        claims=0,
        next_attempt_at=timezone.now(),
    )


def retry_all(changes: Sequence[int]) -> int:
    """Put abandoned changes (by id), any number, back into the queue; return how many."""
    # Databases bound how many ids one statement may name.
    batches = (changes[start : start + _BATCH] for start in range(0, len(changes), _BATCH))
    return sum(retry(batch) for batch in batches)
