"""Writes events into rows and log, in one transaction, and suspends the pointers before the commit.

The order of these steps is the protocol's (docs/decisions/0004, rule 1).
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.utils import timezone

from coordinator import correlation
from coordinator.core import conf, pointer
from coordinator.core.carry import Carried
from coordinator.ledger import containment, locking, order, touching
from coordinator.ledger.event import Event, Fact, Recorded, Recording
from coordinator.ledger.hearing import hear, tells_all
from coordinator.ledger.models import Change, ChangeOutcome, Ledgered, Touch, model_of
from coordinator.ledger.order import Ordering
from coordinator.ledger.touching import Cause
from coordinator.ledger.transactions import run_again

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction came to: what became of each event, and all changes, touches too.

    `carried` are the entries that the newest events of things carry.
    """

    recorded: list[Recorded]
    changes: list[Change]
    carried: list[Carried]

    @property
    def ahead(self) -> list[Change]:
        """Return the changes whose events told a time ahead of our clock."""
        return [one.change for one in self.recorded if one.change is not None and one.time_ahead]


@dataclass(slots=True)
class _Work:
    """What is to be done to the rows of one model: events by position, touches by number."""

    events: dict[int, Event] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)


@dataclass(slots=True)
class _Written:
    """What this transaction writes: rows that changed, by resource and number, and the log."""

    rows: dict[pointer.Name, Ledgered] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    carried: dict[pointer.Name, Carried | None] = field(default_factory=dict)
    touches: int = 0


@run_again
def transact(facts: Sequence[Fact], *, joins: bool = False) -> Committed:
    """Record all of `facts` or none; return what it came to.

    As the outermost transaction, or within one that is open if it `joins`. Raise what
    `locking.lock` and `containment` raise, or Django's database errors.
    """
    with transaction.atomic(durable=not joins):
        return _transact(facts)


def _transact(facts: Sequence[Fact]) -> Committed:
    recorded: dict[int, Recorded] = {}
    written = _Written()
    waiting: dict[type[Ledgered], _Work] = defaultdict(_Work)
    for position, (model, event) in enumerate(facts):
        waiting[model].events[position] = event
    while waiting:
        # What shows a row comes after it, so no model has its turn twice.
        model = min(waiting, key=containment.place)
        answers, touches = _write(model, waiting.pop(model), written)
        recorded |= answers
        for touch, cause in touches.items():
            waiting[model_of(touch.resource)].causes[touch.number] = cause
    _suspend_and_log(written)
    return Committed(
        [recorded[position] for position in range(len(facts))],
        written.changes,
        [one for one in written.carried.values() if one is not None],
    )


def _write(
    model: type[Ledgered], work: _Work, written: _Written
) -> tuple[dict[int, Recorded], dict[Touch, Cause]]:
    """Lock and write rows of one model; return what became of each event, and what is to touch."""
    events = work.events
    locked = locking.lock(model, list(events.values()), work.causes)
    rows = {row.upstream_id: row for row in locked}
    known = _known(events.values()) if events else {}
    recorded = {}
    changed: dict[str, Ledgered] = {}
    touches: dict[Touch, Cause] = {}
    causes: dict[str, Cause] = {}
    for position, event in events.items():
        row = rows[event.upstream_id]
        if event.event_id in known:
            recorded[position] = Recorded(Recording.DUPLICATE, known[event.event_id], row.revision)
            continue
        before = containment.shown_in(row) if row.pk is not None else set()
        # A late event leaves its columns in the row, which is not saved then. Another event of this
        # transaction, or a touch, must not meet them.
        row = copy(row) if len(events) > 1 or work.causes else row
        one = _apply(row, event)
        recorded[position] = one
        if one.change is not None:
            known[event.event_id] = row.number
            written.changes.append(one.change)
        if one.outcome is Recording.APPLIED and one.change is not None:
            # A later event of this transaction makes a later revision. And what was touched shows
            # something else now, which no event of its own tells.
            carried = None if row.number in work.causes else one.carried
            written.carried[model.resource_name, row.number] = carried
            rows[event.upstream_id] = changed[row.number] = row
            cause = Cause(event.event_id, one.change.correlation_id)
            causes.setdefault(row.number, cause)
            # A payment that moves from one order to another concerns both.
            touches.update(dict.fromkeys(before - touches.keys(), cause))
    for number in sorted(changed):
        changed[number].save()
    # One that has an event of its own makes a revision for that already.
    touched = [row for row in locked if row.number in work.causes and row.number not in changed]
    written.changes += touching.touch(model, touched, work.causes)
    for row in [*changed.values(), *touched]:
        written.rows[model.resource_name, row.number] = row
        shown = containment.shown_in(row) - touches.keys()
        touches.update(dict.fromkeys(shown, causes.get(row.number) or work.causes[row.number]))
    _bound(written, touches)
    return recorded, touches


def _bound(written: _Written, touches: Collection[Touch]) -> None:
    """Raise TooManyContainers before more rows are locked than one transaction should."""
    written.touches += len(touches)
    events = sum(1 for change in written.changes if change.event_type != touching.EVENT_TYPE)
    if written.touches > conf.number("MOST_CONTAINERS") * max(1, events):
        raise containment.TooManyContainers(f"{written.touches} of them")


def _known(events: Iterable[Event]) -> dict[str, str]:
    """Return which events are in the log already, each with the number that it was about."""
    ids = [event.event_id for event in events]
    found = Change.objects.filter(event_id__in=ids).values_list("event_id", "identifier")
    return dict(found)


def _apply(row: Ledgered, event: Event) -> Recorded:
    """Let `event` change `row`, if it is not late; return what became of it, with its change."""
    if event.expected_revision is not None and event.expected_revision != row.revision:
        return Recorded(Recording.OUT_OF_DATE, row.number, row.revision)
    previous, now = row.state, timezone.now()
    moment = order.told(event.occurred_at, now)
    found = hear(row, event, moment)
    change = Change(
        resource=row.resource_name,
        identifier=row.number,
        revision=row.revision,
        state=row.state,
        previous_state=previous,
        event_id=event.event_id,
        event_type=event.event_type,
        occurred_at=order.in_utc(event.occurred_at),
        recorded_at=now,
        correlation_id=event.correlation_id or correlation.current(),
        confirm=found.confirm,
    )
    ahead = event.occurred_at is not None and moment is None
    if found.late:
        _mark_late(change, found)
        return Recorded(Recording.OUT_OF_DATE, row.number, row.revision, change, ahead)
    row.revision += 1
    # For people, and served: what is late is decided by each subject's own time.
    row.occurred_at = max(filter(None, (row.occurred_at, moment or now)))
    row.changed_at = now
    change.revision = row.revision
    carried = _carried(row, event, change) if tells_all(row, event, found) else None
    return Recorded(Recording.APPLIED, row.number, row.revision, change, ahead, carried)


def _carried(row: Ledgered, event: Event, change: Change) -> Carried | None:
    """Return the entry that `event` carries, None if it carries none."""
    if event.carried is None:
        return None
    standing = row.standing()
    try:
        loaded = event.carried(row.number, standing)
    except Exception:
        # What can't be carried is loaded. Raising would lose the event.
        logger.exception("entry.not_carried", extra={"entry": str(change)})
        return None
    if loaded is None:
        return None
    as_of = min(filter(None, (event.read_at or event.occurred_at, change.recorded_at)))
    return Carried(row.resource_name, row.number, standing, loaded, as_of.timestamp())


def _mark_late(change: Change, found: Ordering) -> None:
    change.applied = False
    # It moved no pointer, so there is none to confirm.
    change.confirmed_at = change.recorded_at
    change.reason = found.reason
    if not change.confirm:
        change.outcome, change.ended_at = ChangeOutcome.OUT_OF_DATE, change.recorded_at


def _suspend_and_log(written: _Written) -> None:
    if written.rows:
        # Rule 1: locked, written, not committed. The log's rows follow, so that they can say
        # whether the cache acknowledged, at no price of a second transaction.
        acknowledged = pointer.suspend_many(
            {name: row.revision for name, row in written.rows.items()}
        )
        for change in written.changes:
            if change.applied:
                change.suspended = (change.resource, change.identifier) in acknowledged
    if len(written.changes) > 1 and connection.features.can_return_rows_from_bulk_insert:
        Change.objects.bulk_create(written.changes)
        return
    for change in written.changes:
        change.save()
