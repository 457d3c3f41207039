"""Follows a commit: stores carried entries, advances the pointers, and tells by signals."""

import logging
from collections.abc import Sequence
from functools import partial

from django.db import DatabaseError

from coordinator.core import pointer
from coordinator.core.carry import Carried, carry
from coordinator.core.resource import Standing
from coordinator.ledger.event import Recording
from coordinator.ledger.models import Change, model_of
from coordinator.ledger.queries import rows
from coordinator.ledger.signals import (
    ChangeEnded,
    changes_ended,
    changes_recorded,
    state_changed,
    time_ahead,
)

logger = logging.getLogger(__name__)


def follow(
    changes: Sequence[Change],
    ahead: Sequence[Change] = (),
    carried: Sequence[Carried] = (),
) -> None:
    """Store what is carried, advance the pointers, then tell who listens. Never raises for them.

    `ahead` are those of the changes whose events told a time ahead of our clock.
    """
    carry(carried)
    advance([change for change in changes if change.applied])
    for change in changes:
        _tell(change)
        if change in ahead:
            _tell_time_ahead(change)
        _log(change)
    to_settle = [change for change in changes if not change.outcome]
    if to_settle:
        changes_recorded.send_robust(sender=Change, changes=to_settle)


def advance(changes: Sequence[Change]) -> None:
    """Advance the pointers to what these changes have just committed (rule 2).

    Several changes of one thing have one pointer, which says the last of them.
    """
    newest = {(change.resource, change.identifier): change for change in changes}
    try:
        pointer.advance_many(
            [
                pointer.Advance(
                    *name,
                    ledger=partial(standing_of, *name),
                    own=pointer.Current(change.state, change.revision),
                )
                for name, change in newest.items()
            ]
        )
    except DatabaseError:
        # It is committed: settling it advances the pointer, and raising would only have
        # the provider send again what is recorded.
        entries = [str(change) for change in newest.values()]
        logger.exception("pointer.not_advanced", extra={"entries": entries})


def standing_of(resource: str, identifier: str) -> Standing | None:
    """Return what the ledger says of one thing now, or None if it does not know it."""
    for row in rows(model_of(resource)._default_manager.filter(number=identifier)):
        return row.standing
    return None


def _tell(change: Change) -> None:
    if change.outcome:
        ended = ChangeEnded(change.resource, str(change.outcome), change.reason, 0.0)
        changes_ended.send_robust(sender=Change, endings=[ended])
        return
    state_changed.send_robust(
        sender=model_of(change.resource),
        resource=change.resource,
        identifier=change.identifier,
        revision=change.revision,
        state=change.state,
        change_id=change.pk,
    )


def _tell_time_ahead(change: Change) -> None:
    logger.warning("event.time_ahead", extra={"entry": str(change), "event_id": change.event_id})
    time_ahead.send_robust(sender=model_of(change.resource), resource=change.resource)


def _log(change: Change) -> None:
    logger.info(
        "change.recorded",
        extra={
            "entry": f"{change.resource}.{change.identifier}.{change.state}",
            "revision": change.revision,
            "event_type": change.event_type,
            "outcome": (Recording.APPLIED if change.applied else Recording.OUT_OF_DATE).value,
        },
    )
