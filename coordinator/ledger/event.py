"""What the ledger is told, and what it answers: the values around `record_change`."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, Ledgered


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


#: One event, and the model whose row it changes.
Fact = tuple[type[Ledgered], Event]


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
