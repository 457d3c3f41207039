"""`record_change`: the one way in which the state of anything changes."""

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from coordinator import correlation
from coordinator.core import pointer
from coordinator.core.keys import check_identifier
from coordinator.core.resource import Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger import fitting
from coordinator.ledger.models import Change, Ledgered, Outcome
from coordinator.ledger.queries import rows
from coordinator.ledger.signals import ChangeEnded, changes_ended, payment_state_changed
from coordinator.ledger.transactions import run_again

logger = logging.getLogger(__name__)


class UnknownIdentifier(CoordinatorError):
    """The ledger does not know this thing yet, and the event does not say its number."""

    retry_after_seconds = 60.0


class IdentifierTaken(CoordinatorError):
    """This number belongs to another object of the provider already."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Event:
    """What the provider says happened to one thing.

    `content` names columns and their new values; `occurred_at` is upstream's clock, None if it does
    not say. An observed event carries the revision that was read before the load that observed it,
    and applies only while that still stands.
    """

    event_id: str
    event_type: str
    number: str | None
    upstream_id: str
    occurred_at: datetime | None
    content: Mapping[str, object]
    expected_revision: int | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a load from upstream would have us record, if the ledger says otherwise.

    The domain puts one into ``Loaded.observation``.
    """

    upstream_id: str
    content: Mapping[str, object] = field(default_factory=dict)
    occurred_at: datetime | None = None


class Recording(enum.Enum):
    """What became of an event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """Known by its id: nothing was done."""
    OUT_OF_DATE = "out_of_date"
    """Older than what the ledger holds: logged, not applied."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an event, and the revision that stands now."""

    outcome: Recording
    identifier: str
    revision: int
    change: Change | None = None


def record_change(model: type[Ledgered], event: Event) -> Recorded:
    """Record what happened, once, in order, and have it settled; return what became of it.

    The outermost transaction: it locks the row, writes row and log, and suspends the pointer before
    it commits (rule 1), then advances the pointer and sends `payment_state_changed`. Raise
    UnknownIdentifier, IdentifierTaken, InvalidIdentifier, ChangeRefused (a column, value or state
    that the model does not have), or Django's database errors; after any of them nothing was
    recorded, and the provider's redelivery starts afresh.
    """
    if event.number is not None:
        check_identifier(event.number)
    fitting.check(
        model,
        event_id=event.event_id,
        event_type=event.event_type,
        correlation_id=event.correlation_id,
        upstream_id=event.upstream_id,
    )
    try:
        recorded = _transact(model, event)
    except IntegrityError:
        # Two first events of one thing, or two deliveries of one event, met: one of them has
        # committed by now, and the second look finds its row.
        recorded = _transact(model, event)
    change = recorded.change
    if change is None:
        return recorded
    if recorded.outcome is Recording.APPLIED:
        try:
            advance_own(model, change)
        except DatabaseError:
            # It is committed: whoever settles it advances the pointer, and raising would only have
            # the provider send again what is recorded.
            logger.exception("pointer.not_advanced", extra={"entry": str(change)})
    if change.outcome:
        ended = ChangeEnded(change.resource, str(change.outcome), change.reason, 0.0)
        changes_ended.send_robust(sender=Change, endings=[ended])
    else:
        _ring(model, change)
    logger.info(
        "change.recorded",
        extra={
            "entry": f"{change.resource}.{change.identifier}.{change.state}",
            "revision": change.revision,
            "event_type": change.event_type,
            "outcome": recorded.outcome.value,
        },
    )
    return recorded


def record_observation(
    model: type[Ledgered], identifier: str, revision: int, observation: Observation
) -> Recorded:
    """Record what a load saw, as the change ``observed:<resource>.<n>:<r>``.

    It applies only if the ledger still is at `revision`, which was read before that load.
    """
    return record_change(
        model,
        Event(
            event_id=f"observed:{model.resource_name}.{identifier}:{revision}",
            event_type="observed",
            number=identifier,
            upstream_id=observation.upstream_id,
            occurred_at=observation.occurred_at,
            content=observation.content,
            expected_revision=revision,
            correlation_id=correlation.current(),
        ),
    )


@run_again
def _transact(model: type[Ledgered], event: Event) -> Recorded:
    with transaction.atomic(durable=True):
        row = _locked(model, event)
        known = Change.objects.filter(event_id=event.event_id).values_list("identifier", flat=True)
        for identifier in known:
            return Recorded(Recording.DUPLICATE, identifier, row.revision)
        if event.expected_revision is not None and event.expected_revision != row.revision:
            return Recorded(Recording.OUT_OF_DATE, row.number, row.revision)
        previous, held = row.state, row.occurred_at
        state = fitting.apply(row, event.content)
        late, confirm = _order(row, event, previous, state)
        change = Change(
            resource=model.resource_name,
            identifier=row.number,
            revision=row.revision,
            state=state,
            previous_state=previous,
            event_id=event.event_id,
            event_type=event.event_type,
            occurred_at=event.occurred_at,
            correlation_id=event.correlation_id or correlation.current(),
            confirm=confirm,
        )
        if late:
            _log_late(change, confirm=confirm)
            return Recorded(Recording.OUT_OF_DATE, row.number, row.revision, change)
        row.state = state
        row.revision += 1
        # Without upstream's time a change never makes a later one out of date.
        row.occurred_at = max(filter(None, (held, event.occurred_at)), default=None)
        row.changed_at = change.recorded_at
        row.save()
        change.revision = row.revision
        # Rule 1: locked, written, not committed. The log's row follows, so that it can say whether
        # the cache acknowledged, at no price of a second transaction.
        change.suspended = pointer.suspend(model.resource_name, row.number, row.revision)
        change.save()
    return Recorded(Recording.APPLIED, row.number, row.revision, change)


def _locked(model: type[Ledgered], event: Event) -> Ledgered:
    """Return the row under its lock, or a new one that is not saved yet."""
    # Unique, so there is no first one to ask for; ordering them would only cost.
    for row in model._default_manager.select_for_update().filter(upstream_id=event.upstream_id):
        return row
    if event.number is None or event.expected_revision is not None:
        raise UnknownIdentifier(event.upstream_id)
    # One with our upstream_id was committed since we looked: saving ours fails, and we look again.
    others = model._default_manager.exclude(upstream_id=event.upstream_id)
    if others.filter(number=event.number).exists():
        raise IdentifierTaken(event.number)
    return model(number=event.number, upstream_id=event.upstream_id)


def _order(row: Ledgered, event: Event, previous: str, state: str) -> tuple[bool, bool]:
    """Return whether the event came too late, and whether upstream must confirm its order."""
    if (
        event.expected_revision is not None
        or event.occurred_at is None
        or row.occurred_at is None
        or event.occurred_at > row.occurred_at
    ):
        return False, False
    if event.occurred_at < row.occurred_at:
        return True, False
    # Providers count in seconds: within one, the rank decides, and upstream has the last word.
    return not row.state_table.wins(state, over=previous), True


def _log_late(change: Change, *, confirm: bool) -> None:
    change.applied = False
    now = timezone.now()
    # It moved no pointer, so there is none to confirm.
    change.confirmed_at = now
    if not confirm:
        change.outcome, change.ended_at = Outcome.OUT_OF_DATE, now
        change.reason = "older than what the ledger holds"
    change.save()


def advance_own(model: type[Ledgered], change: Change) -> pointer.Confirmation:
    """Advance the pointer to what `change` has just committed (rule 2)."""
    return pointer.advance(
        change.resource,
        change.identifier,
        ledger=lambda: standing_of(model, change.identifier),
        own=pointer.Current(change.state, change.revision),
    )


def standing_of(model: type[Ledgered], identifier: str) -> Standing | None:
    """Return what the ledger says of one thing now, or None if it does not know it."""
    for row in rows(model._default_manager.filter(number=identifier)):
        return row.standing
    return None


def _ring(model: type[Ledgered], change: Change) -> None:
    payment_state_changed.send_robust(
        sender=model,
        resource=change.resource,
        identifier=change.identifier,
        revision=change.revision,
        state=change.state,
        change_id=change.pk,
    )
