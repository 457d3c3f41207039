"""Touches what shows a row that changed: an accepted change without content of its own.

The container's revision goes up with what it shows, in the same transaction, so whatever is loaded
for it afterwards is as new as all that it shows.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from django.db.models import F
from django.utils import timezone

from coordinator.ledger.models import Change, Ledgered

EVENT_TYPE: Final = "touched"
_MOST_CHARACTERS: Final = 255


class Cause(NamedTuple):
    """The change that a touch follows from: its event, and on whose behalf it was recorded."""

    event_id: str
    correlation_id: str


def touch(
    model: type[Ledgered], rows: Sequence[Ledgered], causes: Mapping[str, Cause]
) -> list[Change]:
    """Raise the revisions of locked `rows` in one statement; return their changes, not logged yet.

    `causes` has the cause of each, by its number. The rows are left as they are written.
    """
    if not rows:
        return []
    now = timezone.now()
    ids = [row.pk for row in rows]
    touched = model._default_manager.filter(pk__among=ids)
    touched.update(revision=F("revision") + 1, changed_at=now)
    changes = []
    for row in rows:
        row.revision += 1
        row.changed_at = now
        cause = causes[row.number]
        changes.append(
            Change(
                resource=row.resource_name,
                identifier=row.number,
                revision=row.revision,
                state=row.state,
                previous_state=row.state,
                event_id=event_id(cause.event_id, row),
                event_type=EVENT_TYPE,
                recorded_at=now,
                correlation_id=cause.correlation_id,
            )
        )
    return changes


def event_id(cause: str, container: Ledgered) -> str:
    """Return the id of a touch: its cause's and the container, shortened where that is too long."""
    whole = f"{cause}>{container}"
    if len(whole) <= _MOST_CHARACTERS:
        return whole
    return f"{blake2b(cause.encode(), digest_size=16).hexdigest()}>{container}"
