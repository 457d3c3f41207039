"""Settles changes: claims a page of the log, warms what is newest, writes down how each one ended.

One path for events, repair and retries. Any page, any number of times, in any order: the log says
what is to be done, the ledger what holds, the entry what is done already.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from coordinator import correlation
from coordinator.core import clock, conf, loading, resource, warming
from coordinator.core.entry import CacheEntry
from coordinator.core.filling import Fresh
from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Resource, Standing
from coordinator.core.warming import Warmed, WarmOutcome
from coordinator.errors import CoordinatorError
from coordinator.ledger import queue
from coordinator.ledger.models import Change, Outcome, model_of
from coordinator.ledger.queue import Ending
from coordinator.ledger.recording import Observation, record_observation

logger = logging.getLogger(__name__)

_BUSY_AGAIN_SECONDS = 0.25
_UNREACHABLE_AGAIN_SECONDS = 2.0
_UNCONFIRMED_AGAIN_SECONDS = 2.0
_OLD_SNAPSHOT_AGAIN_SECONDS = 0.1
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Page:
    """What one page came to: how many changes, whether more may be due, and how they ended.

    `again_in_seconds` is when the soonest of the postponed ones is due, None without any.
    """

    claimed: int
    full: bool
    endings: Mapping[str, int]
    again_in_seconds: float | None = None


class SettlingFailed(CoordinatorError):
    """Settling raised something unforeseen: a bug here, or a row that nobody imagined."""


def settle_page(when_full: Callable[[], object] | None = None) -> Page:
    """Claim one page of due changes, do what they ask for, and write down how they ended.

    `when_full` is called as soon as a full page is claimed, before the work: whoever is free can
    take the next one meanwhile. Whoever calls it outside a task clears the request tier between
    pages (`lifecycle` does it for tasks); nothing here reads that tier, but what is stored is
    remembered in it.
    """
    limit = int(settings.COORDINATOR_SETTLE_PAGE)
    page = queue.claim(limit, settings.COORDINATOR_CLAIM_SECONDS)
    if when_full is not None and len(page) == limit:
        when_full()
    by_resource: dict[str, list[Change]] = defaultdict(list)
    for change in page:
        by_resource[change.resource].append(change)
    endings: list[tuple[Change, Ending]] = []
    for name, changes in by_resource.items():
        endings += _settle_or_part(name, changes)
    queue.conclude(endings)
    return _report(len(page), limit, endings)


def _settle_or_part(name: str, changes: Sequence[Change]) -> list[tuple[Change, Ending]]:
    """Return how each one ended; what can't be settled together is settled one by one.

    So trouble of any kind stays with the change that brings it, and blocks no other.
    """
    try:
        return _settle(resource.get(name), changes)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        logger.exception("page.failed", extra={"resource": name, "changes": len(changes)})
        if len(changes) == 1:
            return [(changes[0], _of_trouble(changes[0], error))]
    return [ending for change in changes for ending in _settle_or_part(name, [change])]


def _settle(of: Resource, changes: Sequence[Change]) -> list[tuple[Change, Ending]]:
    # Read before anything is loaded: the entries will claim these revisions.
    standings = of.standings(sorted({change.identifier for change in changes}))
    to_warm, to_check = {}, {}
    for change in changes:
        standing = standings.get(change.identifier)
        if standing is None or change.outcome:
            continue
        if change.confirm and change.revision == standing.revision:
            to_check[change.identifier] = standing
        elif change.revision == standing.revision:
            to_warm[change.identifier] = standing
    for name in to_check:
        to_warm.pop(name, None)
    with _correlated(changes):
        until = clock.current().monotonic() + settings.COORDINATOR_CLAIM_SECONDS / 2
        warmed = _warm_in_time(of, to_warm, until)
        # Their order could not be told. An entry that a reader has stored since is right, but only
        # what upstream says now can be compared with the ledger's columns.
        warmed |= _warm_in_time(of, to_check, until, _nothing_there_will_do)
        confirmations = warming.confirm(of, standings)
    endings = []
    for change in changes:
        with correlation.bind(change.correlation_id):
            warm = warmed.get(change.identifier)
            endings.append((change, _ending(change, standings, warm, confirmations)))
    return endings


def _warm_in_time(
    of: Resource, standings: Mapping[str, Standing], until: float, fresh: Fresh | None = None
) -> dict[str, Warmed]:
    """Warm while there is time, and leave out the rest: a slow upstream must not outlive the claim.

    Nor the task's time limit, which would leave nothing written down of what was done.
    """
    warmed: dict[str, Warmed] = {}
    for share in loading.shares(of, standings):
        if clock.current().monotonic() >= until:
            break
        warmed |= warming.warm_many(of, share, cause="event", fresh=fresh)
    return warmed


def _nothing_there_will_do(_entry: CacheEntry) -> bool:
    return False


def _correlated(changes: Sequence[Change]) -> AbstractContextManager[object]:
    """Bind the correlation id of a page with one origin; a mixed page has one of its own."""
    origins = {change.correlation_id for change in changes}
    return correlation.bind(origins.pop() if len(origins) == 1 else correlation.new_id())


def _ending(
    change: Change,
    standings: Mapping[str, Standing],
    warmed: Warmed | None,
    confirmations: Mapping[str, Confirmation],
) -> Ending:
    standing = standings.get(change.identifier)
    if standing is None:
        # Erased meanwhile. No row, so no pointer that anyone could still be misled by.
        reason = change.reason if change.outcome else "not in the ledger"
        return Ending(change.outcome or Outcome.ABANDONED, reason, confirmed=True)
    if change.outcome:
        ending = Ending(change.outcome, change.reason)
    elif change.revision > standing.revision:
        ending = Ending(
            reason="old snapshot", again_in_seconds=_OLD_SNAPSHOT_AGAIN_SECONDS, burn=False
        )
    elif change.revision < standing.revision:
        ending = Ending(Outcome.SUPERSEDED, f"by revision {standing.revision}")
    elif warmed is None:
        ending = Ending(reason="not tried", again_in_seconds=_BUSY_AGAIN_SECONDS, burn=False)
    else:
        ending = _of_warming(change, standing, warmed)
    return _with_confirmation(change, ending, confirmations[change.identifier])


def _of_trouble(change: Change, error: Exception) -> Ending:
    """Return what becomes of a change that could not be looked at, nor its pointer."""
    if change.outcome:
        ending = Ending(change.outcome, change.reason)
    elif isinstance(error, CoordinatorError):
        ending = _of_failure(change, error)
    else:
        ending = _of_failure(change, SettlingFailed())
    return _with_confirmation(change, ending, Confirmation.UNREACHABLE)


def _with_confirmation(change: Change, ending: Ending, confirmation: Confirmation) -> Ending:
    """Return `ending` as one that is confirmed, or that comes back until it is."""
    if not ending.outcome:
        return ending
    if change.confirmed_at is not None or _confirmed(change, confirmation):
        return replace(ending, confirmed=True)
    return replace(ending, again_in_seconds=_UNCONFIRMED_AGAIN_SECONDS)


def _confirmed(change: Change, confirmation: Confirmation) -> bool:
    """Return True if the pointer is confirmed as rule 5 wants it."""
    match confirmation:
        case Confirmation.ADVANCED | Confirmation.NEWER:
            return True
        case Confirmation.NOTHING_THERE if change.suspended:
            return True
    # Committed at the latest when its suspension would have ended: a pointer from before that is
    # gone by now, wherever it was kept.
    outlived = conf.seconds("SUSPENSION_TIMEOUT") + conf.seconds("POINTER_TIMEOUT")
    return timezone.now() >= change.recorded_at + timedelta(seconds=outlived)


def _of_warming(change: Change, standing: Standing, warmed: Warmed) -> Ending:
    match warmed.outcome:
        case WarmOutcome.WARMED | WarmOutcome.ALREADY:
            return _of_success(change, standing, warmed)
        case WarmOutcome.BUSY:
            return Ending(reason="busy", again_in_seconds=_BUSY_AGAIN_SECONDS, burn=False)
        case WarmOutcome.CACHE_UNREACHABLE:
            return Ending(
                reason="cache unreachable",
                again_in_seconds=_UNREACHABLE_AGAIN_SECONDS,
                burn=False,
            )
        case WarmOutcome.UNSTORED:
            return _abandoned(change, "the cache refuses a value of this size")
        case WarmOutcome.LAGGED:
            return _of_lagging(change, standing, warmed)
        case _:
            return _of_failure(change, warmed.error)


def _of_success(change: Change, standing: Standing, warmed: Warmed) -> Ending:
    if not change.confirm:
        return Ending(Outcome.WARMED)
    observation = warmed.loaded.observation if warmed.loaded is not None else None
    # Upstream's own version is about the content and none of it; not every event tells one.
    if isinstance(observation, Observation) and _differs(
        change, standing, observation.content, "version"
    ):
        return _observed(change, standing, observation)
    if change.applied:
        return Ending(Outcome.WARMED, "order confirmed against upstream")
    return Ending(Outcome.OUT_OF_DATE, "order confirmed against upstream")


def _differs(
    change: Change, standing: Standing, content: Mapping[str, object], *apart_from: str
) -> bool:
    """Return True if the ledger's row holds anything else than `content`, or has moved on."""
    row = model_of(change.resource)._default_manager.filter(number=change.identifier).first()
    return row is not None and (
        row.revision != standing.revision
        or any(
            getattr(row, column) != value
            for column, value in content.items()
            if column not in apart_from
        )
    )


def _of_lagging(change: Change, standing: Standing, warmed: Warmed) -> Ending:
    if change.attempts < settings.COORDINATOR_LAG_ATTEMPTS:
        return Ending(reason="upstream lags", again_in_seconds=_backoff(change.attempts))
    observation = warmed.loaded.observation if warmed.loaded is not None else None
    # What changes nothing in the ledger would make a new revision, which lags again, for ever.
    if not isinstance(observation, Observation) or not _differs(
        change, standing, observation.content
    ):
        return _abandoned(change, "upstream contradicts the ledger")
    return _observed(change, standing, observation)


def _observed(change: Change, standing: Standing, observation: Observation) -> Ending:
    # Upstream is the truth: what it says becomes a change of its own, and that one is warmed.
    recorded = record_observation(
        model_of(change.resource), change.identifier, standing.revision, observation
    )
    logger.warning(
        "change.observed",
        extra={"entry": str(change), "outcome": recorded.outcome.value},
    )
    return Ending(Outcome.SUPERSEDED, f"upstream says otherwise, revision {recorded.revision}")


def _of_failure(change: Change, error: CoordinatorError | None) -> Ending:
    reason = "load failed" if error is None else error.reason
    if error is not None and error.permanent:
        return _abandoned(change, reason)
    burn = error is None or error.burns_attempt
    if burn and change.attempts >= settings.COORDINATOR_SETTLE_ATTEMPTS:
        return _abandoned(change, f"{reason}, after {change.attempts} attempts")
    pause = _backoff(change.attempts)
    if error is not None and error.retry_after_seconds is not None:
        pause = max(error.retry_after_seconds, _BUSY_AGAIN_SECONDS) * (
            1 + random.random() / 4
        )  # spreads load, hides nothing
    return Ending(reason=reason, again_in_seconds=pause, burn=burn)


def _abandoned(change: Change, reason: str) -> Ending:
    # Loud, and harmless: whoever reads it loads it cold.
    logger.error("change.abandoned", extra={"entry": str(change), "reason": reason})
    return Ending(Outcome.ABANDONED, reason)


def _backoff(attempts: int) -> float:
    """Return a pause that doubles with each attempt, with full jitter above its half."""
    longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** max(0, attempts - 1))
    return longest * (0.5 + random.random() / 2)  # spreads load, hides nothing


def _report(claimed: int, limit: int, endings: Sequence[tuple[Change, Ending]]) -> Page:
    counts: dict[str, int] = defaultdict(int)
    for _, ending in endings:
        counts[ending.outcome or "postponed"] += 1
    waiting = [e.again_in_seconds for _, e in endings if not (e.outcome and e.confirmed)]
    return Page(claimed, claimed == limit, dict(counts), min(waiting, default=None))
