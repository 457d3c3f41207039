"""Everything that is known of one thing: what the command `inspect` tells, for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.core import clock, keys, resource
from coordinator.core.inspect import Inspected, inspect
from coordinator.core.resource import Resource, Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change, ledgered_models, model_of
from coordinator.operations import terminal
from coordinator.operations.status import ledger
from coordinator.operations.status.figures import in_words


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One entry in the cache, in words."""

    name: str
    key: str
    revision: str
    age: str
    expires: str
    size: str
    usable: str


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change of the timeline, and how long after its recording the thing was warm."""

    change: Change
    outcome: str
    to_warm: str


@dataclass(frozen=True, slots=True)
class Thing:
    """What ledger and cache hold of one thing."""

    of: Resource
    identifier: str
    standing: Standing | None
    columns: Mapping[str, str]
    seen: Inspected
    entries: Sequence[ShownEntry]
    timeline: Sequence[ShownChange]

    @property
    def known(self) -> bool:
        """Return False if neither ledger nor cache has anything of it."""
        return self.standing is not None or bool(self.timeline) or bool(self.entries)


def resource_of(name: str) -> Resource | None:
    """Return the registered resource of this name, None if there is none."""
    return next((of for of in resource.registered() if of.name == name), None)


def look(of: Resource, identifier: str) -> Thing:
    """Return everything that is known of it; raise InvalidIdentifier if it can't be a name."""
    keys.check_identifier(identifier)
    row = model_of(of.name)._default_manager.filter(number=identifier).first()
    standing = None if row is None else row.standing()
    seen = inspect(of, identifier, None if standing is None else standing.revision)
    return Thing(
        of,
        identifier,
        standing,
        {} if row is None else row.shown(),
        seen,
        _entries(seen),
        timeline(ledger.history(of.name, identifier)),
    )


def find(text: str) -> tuple[str, str] | None:
    """Return resource and number of what `text` names, None if the ledger knows nothing of it.

    By name (payment.EDX-1001, with or without a state), by number, or by upstream's identifier.
    """
    name, dot, rest = text.strip().partition(".")
    candidate = resource_of(name) or resource_of(name.removesuffix("s"))
    if dot and candidate is not None:
        return candidate.name, rest.split(".")[0]
    for name, model in ledgered_models().items():
        if resource_of(name) is None:
            continue
        for column in ("number", "upstream_id"):
            row = model._default_manager.filter(**{column: text.strip()}).first()
            if row is not None:
                return name, row.number
    return None


def timeline(changes: Sequence[Change]) -> Sequence[ShownChange]:
    """Return the changes with their outcome in words."""
    return [ShownChange(change, outcome_of(change), _to_warm(change)) for change in changes]


def outcome_of(change: Change) -> str:
    """Return how a change ended, "unsettled" if it has not, "unconfirmed" without its pointer."""
    if not change.outcome:
        return "unsettled"
    return change.outcome if change.settled else "unconfirmed"


def upstream_payload(of: Resource, identifier: str) -> bytes:
    """Return what upstream says of it now, as an entry would hold it; raise CoordinatorError."""
    standing = of.standing(identifier)
    if standing is None:
        raise CoordinatorError("the ledger does not know it")
    return of.load(identifier, standing).payload


def _to_warm(change: Change) -> str:
    seconds = ledger.seconds_to_warm(change)
    return "" if seconds is None else in_words(seconds)


def _entries(seen: Inspected) -> Sequence[ShownEntry]:
    now = clock.current().now()
    shown = []
    for one in seen.entries:
        if not one.there:
            continue
        entry = one.entry
        shown.append(
            ShownEntry(
                one.name,
                one.cache_key,
                "-" if entry is None else str(entry.revision),
                "-" if entry is None else terminal.ago(entry.age_seconds(now)),
                "-" if entry is None else terminal.ago(max(0.0, entry.expires_at - now)),
                "-" if entry is None else f"{len(entry.payload)} bytes",
                "yes" if one.usable else f"no: {one.refused}",
            )
        )
    return shown
