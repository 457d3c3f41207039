"""What is cached, declared once: a Resource, and the registry that refuses a second one of a name.

The core learns here what a payment is without importing one: the domain registers its Resource in
``AppConfig.ready()``.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, overload

from coordinator.core import keys
from coordinator.core.keys import NAME_PATTERN, STATE_PATTERN, EntryKey
from coordinator.errors import CoordinatorError

_NAME = re.compile(NAME_PATTERN)
_STATE = re.compile(STATE_PATTERN)


class DuplicateResource(CoordinatorError):
    """A resource of this name is registered already: two recipes would fight over its entries.

    Give one of them another name (``resource_name`` of its model), or register it once.
    """

    permanent = True


class UnknownResource(CoordinatorError, LookupError):
    """No resource of this name is registered."""

    permanent = True


class InvalidResource(CoordinatorError, ValueError):
    """This recipe can't name its entries."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says of one thing at one moment: the only truth about its state.

    ``version`` is upstream's own number (or time as a number) at that revision, None where the
    provider tells none; ``owner`` is who may read it; ``upstream_id`` its name at the provider.
    ``occurred_at`` is when the newest accepted change happened.
    """

    state: str
    revision: int
    owner: str
    upstream_id: str
    version: int | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What upstream says of one thing: the only truth about its content.

    ``payload`` is ready to send (JSON bytes). ``observation`` is for the domain alone: what it
    would record if the ledger turned out to be behind.
    """

    payload: bytes = field(repr=False)
    state: str
    owner: str
    version: int | None = None
    observation: object = field(default=None, repr=False)

    def lags(self, standing: Standing) -> bool:
        """Return True if this is not what the ledger promised, so it must not be stored.

        Either upstream answers from before its own event, or the ledger has not heard of an event
        yet; from here the two look alike, and both mend themselves: load again a little later.
        """
        return (
            self.state != standing.state
            or self.owner != standing.owner
            or (
                self.version is not None
                and standing.version is not None
                and self.version < standing.version
            )
        )


@dataclass(frozen=True, slots=True)
class ListedChange:
    """One change of an upstream listing.

    ``record`` takes it into the ledger: it returns True if no event had told the change before, and
    raises CoordinatorError if it can't be recorded now. ``occurred_at`` is when it happened, by
    upstream's clock; a listing comes in this order, so that reconciling can go on from there.
    """

    event_id: str
    record: Callable[[], bool]
    occurred_at: datetime | None = None


ListChanged = Callable[[datetime], Iterable[ListedChange]]
LoadResult = Loaded | CoordinatorError
LoadMany = Callable[[Mapping[str, Standing]], Mapping[str, LoadResult]]


class Kept(Protocol):
    """A model whose rows say which state each thing is in, as the ledger's do."""

    @classmethod
    def recipe(cls) -> Mapping[str, Any]:
        """Return the fields of a Resource that the model knows."""
        ...


def _always() -> bool:
    return True


def _always_of(_identifier: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Resource:
    """The recipe for the entries of one kind of thing.

    ``standings`` reads the ledger (the primary, never a replica) for many identifiers at once and
    leaves out those it does not know. ``load`` asks upstream and raises CoordinatorError, whose
    ``permanent`` says if trying again can help; ``load_many`` does so in bulk where the provider
    can. ``may_seed`` says whether a row read just now may seed a pointer (False inside a
    transaction, whose snapshot can be old); ``is_committed`` is False for a thing that the open
    transaction has changed, so that nothing is stored for it. ``likely_states`` are asked for
    together with the pointer, so that most reads take one round trip. Raise ``schema`` when the
    payload's shape changes: both releases then keep their own entries during a deploy. ``upcoming``
    is the recipe of a later schema that no reader uses yet: a backfill fills its keys before
    traffic moves.
    ``list_changed`` lists what changed upstream since a time, for reconciling.
    """

    name: str
    states: frozenset[str]
    standings: Callable[[Sequence[str]], Mapping[str, Standing]]
    load: Callable[[str, Standing], Loaded]
    load_many: LoadMany | None = None
    may_seed: Callable[[], bool] = _always
    is_committed: Callable[[str], bool] = _always_of
    likely_states: tuple[str, ...] = ()
    schema: int = 1
    upcoming: "Resource | None" = None
    list_changed: ListChanged | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise InvalidResource(
                f'the name {self.name!r} is not lower case letters, digits and single "_"'
            )
        for state in self.states:
            if _STATE.fullmatch(state) is None:
                raise InvalidResource(
                    f"the state {state!r} of {self.name} is not words of ASCII letters and digits "
                    'with one "_", "-" or blank between two'
                )
        if type(self.schema) is not int or self.schema < 1:
            raise InvalidResource(f"the schema {self.schema!r} of {self.name} is no number above 0")
        if unknown := set(self.likely_states) - self.states:
            raise InvalidResource(
                f"{sorted(unknown)} are likely states of {self.name}, but no states"
            )
        if self.upcoming is not None and self.upcoming.schema <= self.schema:
            raise InvalidResource("an upcoming recipe has a higher schema")

    @classmethod
    def of(
        cls, model: type[Kept], *, load: Callable[[str, Standing], Loaded], **others: Any
    ) -> "Resource":
        """Return the recipe for the things that `model` keeps: what it knows, and `load`.

        The model fills ``name``, ``states``, ``standings``, ``may_seed`` and ``likely_states``;
        `others` are further fields, or other values for those.
        """
        return cls(**{**model.recipe(), "load": load, **others})

    def standing(self, identifier: str) -> Standing | None:
        """Return what the ledger says of one, or None if it does not know it."""
        return self.standings([identifier]).get(identifier)

    def entry_key(self, identifier: str, state: str) -> EntryKey:
        """Return the name of the entry for this state; raise InvalidIdentifier."""
        return keys.names(self.name, identifier, self.schema).entry_key(state)


_registry: dict[str, Resource] = {}


Load = Callable[[str, Standing], Loaded]


@overload
def register(resource: Resource) -> Resource: ...


@overload
def register(resource: type[Kept], **others: Any) -> Callable[[Load], Resource]: ...


def register(
    resource: Resource | type[Kept], **others: Any
) -> Resource | Callable[[Load], Resource]:
    """Make a resource known by its name, and return it; raise DuplicateResource if it is taken.

    Call it with a Resource; or decorate the function that loads what a model keeps, which makes a
    Resource of it: ``@register(Order)``, with further fields as keywords.
    """
    if isinstance(resource, Resource):
        if resource.name in _registry:
            raise DuplicateResource(resource.name)
        _registry[resource.name] = resource
        return resource

    def decorate(load: Load) -> Resource:
        return register(Resource.of(resource, load=load, **others))

    return decorate


def unregister(name: str) -> None:
    """Forget a resource: for tests that register their own."""
    _registry.pop(name, None)


def get(name: str) -> Resource:
    """Return the resource of this name; raise UnknownResource if there is none."""
    try:
        return _registry[name]
    except KeyError:
        raise UnknownResource(name) from None


def registered() -> tuple[Resource, ...]:
    """Return every resource that is registered, by name."""
    return tuple(_registry[name] for name in sorted(_registry))
