"""`record_change` and `record_changes`: the one way in which the state of anything changes.

`transacting` is what happens inside the transaction, `after_commit` what follows it; the docstring
of `record_changes` names their steps in order.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError

from coordinator import correlation
from coordinator.core.keys import check_identifier
from coordinator.ledger import after_commit, fitting, joining, transacting
from coordinator.ledger.event import (
    Carrier,
    Event,
    Fact,
    IdentifierTaken,
    Observation,
    Recorded,
    Recording,
    UnknownIdentifier,
)
from coordinator.ledger.models import Ledgered

__all__ = [
    "Event",
    "Fact",
    "IdentifierTaken",
    "Observation",
    "Recorded",
    "Recording",
    "UnknownIdentifier",
    "record_change",
    "record_changes",
    "record_observation",
]


def record_change(
    model: type[Ledgered],
    event: Event,
    *,
    carried: Carrier | None = None,
    atomic: str | None = None,
) -> Recorded:
    """Record what happened, once, in order, and have it settled; return what became of it.

    `record_changes` for one event. `carried` makes the entry of what the event tells, for a writer
    that holds it already: see ``Event.carried``.
    """
    event = event if carried is None else replace(event, carried=carried)
    return record_changes([(model, event)], atomic=atomic)[0]


def record_changes(facts: Iterable[Fact], *, atomic: str | None = None) -> list[Recorded]:
    """Record several events, of any resources, all or none; return what became of each, in order.

    One transaction: it locks the rows in one global order, and those of what shows them
    (`Ledgered.shown_in`), writes rows and log, and suspends the pointers before it commits (rule
    1), then stores the entries that events carry, advances the pointers and sends
    `state_changed` for each change and touch and `changes_recorded` for all.

    Within a transaction of the caller's it is part of that one, and what follows the commit follows
    the outermost commit (docs/decisions/0013). With `atomic` "outermost" (or COORDINATOR_ATOMIC) it
    raises RuntimeError there. Record what belongs together in one call: one that comes after
    another in the same transaction can't keep to the order of locks.

    Raise UnknownIdentifier, IdentifierTaken, InvalidIdentifier, ChangeRefused (a column, value or
    state that the model does not have), TooManyContainers, or Django's database errors; after any
    of them nothing was recorded, and the provider's redelivery starts afresh.
    """
    facts = list(facts)
    for model, event in facts:
        if event.number is not None:
            check_identifier(event.number)
        fitting.check(
            model,
            event_id=event.event_id,
            event_type=event.event_type,
            correlation_id=event.correlation_id,
            upstream_id=event.upstream_id,
        )
    joins = joining.joins(atomic)
    try:
        committed = transacting.transact(facts, joins=joins)
    except IntegrityError:
        # Two first events of one thing, or two deliveries of one event, met: one of them has
        # committed by now, and the second look finds its row.
        committed = transacting.transact(facts, joins=joins)
    if joins:
        joining.follow_later(committed)
    else:
        after_commit.follow(committed.changes, committed.ahead, committed.carried)
    return committed.recorded


def record_observation(
    model: type[Ledgered],
    identifier: str,
    revision: int,
    observation: Observation,
    read_at: datetime | None = None,
) -> Recorded:
    """Record what a load saw, as the change ``observed:<resource>.<n>:<r>``.

    It applies only if the ledger still is at `revision`, which was read before that load. `read_at`
    is when the load began, by our clock.
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
            read_at=read_at,
            subjects=observation.subjects,
        ),
    )
