"""What the ledger is told, and what it answers: the values around `record_change`."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.core.carry import Carried
from coordinator.core.resource import Loaded, Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, Ledgered
from coordinator.ledger.order import WHOLE, Place, Said


class UnknownIdentifier(CoordinatorError):
    """The ledger does not know this thing yet, and the event does not say its number."""

    retry_after_seconds = 60.0


class IdentifierTaken(CoordinatorError):
    """This number belongs to another object of the provider already."""

    permanent = True


#: As ``Resource.load``: takes an identifier and its standing, returns what a load would return
#: then, and None if the event does not tell it.
Carrier = Callable[[str, Standing], Loaded | None]


@dataclass(frozen=True, slots=True)
class Event:
    """What the provider says happened to one thing.

    `content` names columns and their new values; `occurred_at` is upstream's clock, None if it does
    not say. `subject` names the upstream object that speaks, and is empty where the event tells the
    whole thing; `place` says if it is that object's first or last word. Order is told per subject.

    What was read from upstream (an observed event, or one that was completed by a fetch) tells the
    whole thing: `read_at` is when the reading began, and `subjects` what it showed of each object.
    With the `expected_revision` that was read before it, it applies only while that still stands.

    `carried` makes the entry of what the event tells, if that is all that is served: it is asked
    under the lock, for the standing that the event makes, and only if the event tells everything up
    to there. It must not block, and returns None if a load would say anything else.
    """

    event_id: str
    event_type: str
    number: str | None
    upstream_id: str
    occurred_at: datetime | None
    content: Mapping[str, object]
    expected_revision: int | None = None
    correlation_id: str = ""
    subject: str = WHOLE
    place: Place = Place.BETWEEN
    read_at: datetime | None = None
    subjects: Mapping[str, Said] = field(default_factory=dict)
    carried: Carrier | None = field(default=None, repr=False, compare=False)

    @property
    def was_read(self) -> bool:
        """Return True if what it tells was read from upstream, not sent by it."""
        return self.read_at is not None or self.expected_revision is not None


#: One event, and the model whose row it changes.
Fact = tuple[type[Ledgered], Event]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a load from upstream would have us record, if the ledger says otherwise.

    The domain puts one into ``Loaded.observation``. `subjects` is what each upstream object said,
    for a thing that is several: later events of each are ordered beside it.
    """

    upstream_id: str
    content: Mapping[str, object] = field(default_factory=dict)
    occurred_at: datetime | None = None
    subjects: Mapping[str, Said] = field(default_factory=dict)


class Recording(enum.Enum):
    """What became of an event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """Known by its id: nothing was done."""
    OUT_OF_DATE = "out_of_date"
    """Older than what the ledger holds: logged, not applied."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an event, and the revision that stands now.

    `time_ahead` says that its time was ahead of our clock, so it ordered nothing. `carried` is the
    entry that it carries.
    """

    outcome: Recording
    identifier: str
    revision: int
    change: Change | None = None
    time_ahead: bool = False
    carried: Carried | None = field(default=None, repr=False)
