"""The rules of endings: from how warming a change went, to what is written down of it.

Four questions, each with its own setting. How often may it fail (``COORDINATOR_SETTLE_ATTEMPTS``)?
How often may a worker die over it (``COORDINATOR_SETTLE_INTERRUPTIONS``)? How long may upstream
contradict it before upstream is right (``COORDINATOR_LAG_SECONDS``)? And is its pointer confirmed?
"""

import logging
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from coordinator.core import conf
from coordinator.core.fill import Warmed, WarmOutcome
from coordinator.core.pointer import Confirmation
from coordinator.core.resource import Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, ChangeOutcome, model_of
from coordinator.ledger.queue import Ending
from coordinator.ledger.recording import Observation, record_observation

logger = logging.getLogger(__name__)

_BUSY_AGAIN_SECONDS = 0.25
_UNREACHABLE_AGAIN_SECONDS = 2.0
_UNCONFIRMED_AGAIN_SECONDS = 2.0
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 300.0


class SettlingFailed(CoordinatorError):
    """Settling raised an unforeseen error: a bug here, or a row of an unforeseen kind."""


class AheadOfItsRow(CoordinatorError):
    """The ledger's row is older than this change.

    Either the row was read from a snapshot that does not hold the change yet, and the next attempt
    reads a newer one; or the rows were restored from a backup and the log was not.
    """


def kills_workers(change: Change) -> bool:
    """Return True if so many workers died over it that no other one is to try."""
    return interruptions(change) >= int(conf.number("SETTLE_INTERRUPTIONS"))


def interruptions(change: Change) -> int:
    """Return how many claims before this one ended without an outcome: their workers died."""
    return max(0, change.claims - 1)


def ending(
    change: Change,
    standings: Mapping[str, Standing],
    warmed: Warmed | None,
    confirmations: Mapping[str, Confirmation],
    refusal: CoordinatorError | None = None,
) -> Ending:
    """Return how a change ends that was looked at; `warmed` is None if it was not tried.

    `refusal` is what upstream, or our own budget for it, answered to everything then: all that was
    not tried for it ends in the same way, so that one statement puts it back.
    """
    standing = standings.get(change.identifier)
    if standing is None:
        # Erased meanwhile. No row, so no pointer that anyone could still be misled by.
        reason = change.reason if change.outcome else "not in the ledger"
        return Ending(change.outcome or ChangeOutcome.ABANDONED, reason, confirmed=True)
    if change.outcome:
        end = Ending(change.outcome, change.reason)
    elif change.revision > standing.revision:
        end = _of_failure(change, AheadOfItsRow())
    elif change.revision < standing.revision:
        end = Ending(ChangeOutcome.SUPERSEDED, f"by revision {standing.revision}")
    elif kills_workers(change):
        end = _abandoned(change, f"{interruptions(change)} workers died over it")
    elif warmed is None and refusal is not None:
        pause = max(refusal.retry_after_seconds or 0.0, _BUSY_AGAIN_SECONDS)
        end = Ending(reason=refusal.reason, again_in_seconds=pause, tried=False)
    elif warmed is None:
        end = Ending(reason="not tried", again_in_seconds=_BUSY_AGAIN_SECONDS, tried=False)
    else:
        end = _of_warming(change, standing, warmed)
    return _with_confirmation(change, end, confirmations[change.identifier])


def of_trouble(change: Change, error: Exception) -> Ending:
    """Return what becomes of a change that could not be looked at, nor its pointer."""
    if change.outcome:
        end = Ending(change.outcome, change.reason)
    elif isinstance(error, CoordinatorError):
        end = _of_failure(change, error)
    else:
        end = _of_failure(change, SettlingFailed())
    return _with_confirmation(change, end, Confirmation.UNREACHABLE)


# -- the pointer -------------------------------------------------------------------------------


def _with_confirmation(change: Change, end: Ending, confirmation: Confirmation) -> Ending:
    """Return `end` as one that is confirmed, or that comes back until it is."""
    if not end.outcome:
        return end
    if change.confirmed_at is not None or _confirmed(change, confirmation):
        return replace(end, confirmed=True)
    return replace(end, again_in_seconds=_UNCONFIRMED_AGAIN_SECONDS)


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


# -- what warming came to ----------------------------------------------------------------------


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
            return _of_contradiction(change, standing, warmed)
        case _:
            return _of_failure(change, warmed.error)


def _of_success(change: Change, standing: Standing, warmed: Warmed) -> Ending:
    if not change.confirm:
        return Ending(ChangeOutcome.WARMED)
    observation = _observation(warmed)
    # Upstream's own version is about the content and none of it; not every event tells one.
    if observation is not None and _differs(change, standing, observation.content, "version"):
        return _of_contradiction(change, standing, warmed)
    if change.applied:
        return Ending(ChangeOutcome.WARMED, "order confirmed against upstream")
    return Ending(ChangeOutcome.OUT_OF_DATE, "order confirmed against upstream")


def _of_failure(change: Change, error: CoordinatorError | None) -> Ending:
    reason = "load failed" if error is None else error.explained
    if error is not None and error.permanent:
        return _abandoned(change, reason)
    attempts = change.attempts + 1
    burn = error is None or error.burns_attempt
    if burn and attempts >= conf.number("SETTLE_ATTEMPTS"):
        return _abandoned(change, f"{reason}, after {attempts} attempts")
    pause = _backoff(attempts)
    if error is not None and error.retry_after_seconds is not None:
        pause = max(error.retry_after_seconds, _BUSY_AGAIN_SECONDS) * (
            1 + random.random() / 4
        )  # spreads load, hides nothing
    return Ending(reason=reason, again_in_seconds=pause, burn=burn)


def _abandoned(change: Change, reason: str) -> Ending:
    # Loud, and harmless: the next reader loads it cold.
    logger.error("change.abandoned", extra={"entry": str(change), "reason": reason})
    return Ending(ChangeOutcome.ABANDONED, reason)


def _backoff(attempts: int) -> float:
    """Return a pause that doubles with each attempt, with full jitter above its half."""
    # The exponent is bounded, or a setting of many attempts would overflow it.
    longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** min(attempts - 1, 30))
    return longest * (0.5 + random.random() / 2)  # spreads load, hides nothing


# -- upstream says something else --------------------------------------------------------------


def _of_contradiction(change: Change, standing: Standing, warmed: Warmed) -> Ending:
    """Return how a change ends that upstream contradicts: it lags, until it has had its time.

    A real event was accepted, and what upstream shows may be from before it. Recording that would
    turn the ledger back, and the event, which is known by now, could never come again. So upstream
    is asked again, and believed once it says so of a moment that no lag reaches back to.
    """
    asked_after = _asked_after(change, warmed)
    lag_seconds = conf.seconds("LAG")
    if asked_after < lag_seconds:
        # As long as it has lasted: a short lag is seen to end soon, a long one costs few loads.
        pause = max(_FIRST_BACKOFF_SECONDS, asked_after) * (0.5 + random.random() / 2)
        pause = max(_BUSY_AGAIN_SECONDS, min(pause, lag_seconds - asked_after))
        return Ending(reason="upstream lags", again_in_seconds=pause, burn=False)
    observation = _observation(warmed)
    # What changes nothing in the ledger would make a new revision, which lags again, for ever.
    if observation is None or not _differs(change, standing, observation.content):
        return _abandoned(change, "upstream contradicts the ledger")
    # Upstream is the truth: what it says becomes a change of its own, and that one is warmed.
    recorded = record_observation(
        model_of(change.resource),
        change.identifier,
        standing.revision,
        observation,
        _asked_at(warmed),
    )
    # Ordinary (an order that could not be told, an event that has not come yet), unless it stood
    # for so long that a round of verifying would have reported it.
    stood = warmed.outcome is WarmOutcome.LAGGED and (asked_after >= conf.seconds("VERIFY_GRACE"))
    logger.log(
        logging.WARNING if stood else logging.INFO,
        "change.observed",
        extra={"entry": str(change), "outcome": recorded.outcome.value},
    )
    return Ending(
        ChangeOutcome.SUPERSEDED, f"upstream says otherwise, revision {recorded.revision}"
    )


def _asked_after(change: Change, warmed: Warmed) -> float:
    """Return for how many seconds the change was recorded when upstream was asked."""
    recorded_at = change.recorded_at.timestamp()
    return 0.0 if warmed.entry is None else max(0.0, warmed.entry.loaded_at - recorded_at)


def _asked_at(warmed: Warmed) -> datetime | None:
    """Return when upstream was asked, None if it is not known."""
    return None if warmed.entry is None else datetime.fromtimestamp(warmed.entry.loaded_at, UTC)


def _observation(warmed: Warmed) -> Observation | None:
    """Return what the load would have us record, None where it says nothing of the kind."""
    observation = warmed.loaded.observation if warmed.loaded is not None else None
    return observation if isinstance(observation, Observation) else None


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
