"""Writes events into rows and log, in one transaction, and suspends the pointers before the commit.

The order of these steps is the protocol's (docs/decisions/0004, rule 1).
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.utils import timezone

from coordinator import correlation
from coordinator.core import pointer
from coordinator.ledger import locking, order
from coordinator.ledger.event import Event, Fact, Recorded, Recording
from coordinator.ledger.hearing import hear
from coordinator.ledger.models import Change, Ledgered, Outcome
from coordinator.ledger.order import Order
from coordinator.ledger.transactions import run_again


@dataclass(slots=True)
class _Written:
    """What this transaction writes: rows that changed, by resource and number, and the log."""

    rows: dict[pointer.Name, Ledgered] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


@run_again
def transact(facts: Sequence[Fact]) -> list[Recorded]:
    """Record all of `facts` or none, as the outermost transaction; return what became of each.

    Raise what `locking.lock` raises, or Django's database errors.
    """
    with transaction.atomic(durable=True):
        recorded: dict[int, Recorded] = {}
        written = _Written()
        for model, positions in locking.by_model(facts):
            events = {position: facts[position][1] for position in positions}
            recorded |= _write(model, events, written)
        _suspend_and_log(written)
    return [recorded[position] for position in range(len(facts))]


def _write(
    model: type[Ledgered], events: dict[int, Event], written: _Written
) -> dict[int, Recorded]:
    """Lock and write the rows of one model; return what became of each event, by its position."""
    rows = locking.lock(model, list(events.values()))
    known = _known(events.values())
    recorded = {}
    changed: dict[str, Ledgered] = {}
    for position, event in events.items():
        row = rows[event.upstream_id]
        if event.event_id in known:
            recorded[position] = Recorded(Recording.DUPLICATE, known[event.event_id], row.revision)
            continue
        # A late event leaves its columns in the row, which is not saved then. Another event of this
        # transaction must not meet them.
        row = row if len(events) == 1 else copy(row)
        one = _apply(row, event)
        recorded[position] = one
        if one.change is not None:
            known[event.event_id] = row.number
            written.changes.append(one.change)
        if one.outcome is Recording.APPLIED:
            rows[event.upstream_id] = changed[row.number] = row
    for number in sorted(changed):
        changed[number].save()
        written.rows[model.resource_name, number] = changed[number]
    return recorded


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
    return Recorded(Recording.APPLIED, row.number, row.revision, change, ahead)


def _mark_late(change: Change, found: Order) -> None:
    change.applied = False
    # It moved no pointer, so there is none to confirm.
    change.confirmed_at = change.recorded_at
    change.reason = found.reason
    if not change.confirm:
        change.outcome, change.ended_at = Outcome.OUT_OF_DATE, change.recorded_at


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
