"""Turns readable names into the keys that the cache sees, and refuses what could collide.

Key patterns (each is the argument list of one ``get_cache_key`` call):

==============  =======================================================================
entry           ``cache_name=<resource> identifier=<n> version=<state> [schema=<s>]``
pointer         ``cache_name=<resource> identifier=<n> version=@current``
lease           ``cache_name=<resource> identifier=<n> version=@lease [schema=<s>]``
==============  =======================================================================

``get_cache_key`` joins its arguments with ``__`` and ``:`` and escapes neither, so identifiers and
states that contain them could name one another's keys. The pattern below keeps them out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from edx_django_utils.cache import get_cache_key

from coordinator.errors import CoordinatorError

IDENTIFIER_MAX_LENGTH = 64
# ASCII only (a Unicode digit is another key than the digit it looks like); a single "_" inside
# only, since "__" is get_cache_key's separator and a trailing "_" would join with the one that
# follows.
IDENTIFIER_PATTERN = r"[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*"
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)

POINTER = "@current"
LEASE = "@lease"
# Of resources.
NAME_PATTERN = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_NAME = re.compile(NAME_PATTERN)
# Of states: as services write them, ("PAYMENT_DUE", "Payment Pending", "on-hold"). Words of letters
# and digits with one separator between two, for the same reason as in identifiers.
STATE_PATTERN = r"[A-Za-z][A-Za-z0-9]*(?:[ _-][A-Za-z0-9]+)*"
_STATE = re.compile(STATE_PATTERN)
# What is kept beside the entries of one thing: "@", which no state begins with, and what it is.
_BESIDE = re.compile(r"@[a-z]+(?:\.[0-9.e+-]+)?")


# Each cache of names below keeps this many: what a busy process reads again and again. A worker
# meets most names once, and its memory must not grow with them.
_REMEMBERED = 1_024


class InvalidIdentifier(CoordinatorError, ValueError):
    """An identifier is 1 to 64 ASCII letters, digits, "-" and single "_" between them."""

    permanent = True


class InvalidName(CoordinatorError, ValueError):
    """A resource is lower case ASCII letters and digits, with single "_" between them.

    A state is words of ASCII letters and digits, with one "_", "-" or blank between two.
    """

    permanent = True


def check_identifier(text: object) -> str:
    """Return `text` unchanged; raise InvalidIdentifier when it can't be part of a key."""
    if (
        not isinstance(text, str)
        or not 0 < len(text) <= IDENTIFIER_MAX_LENGTH
        or _IDENTIFIER.fullmatch(text) is None
    ):
        raise InvalidIdentifier
    return text


def is_identifier(text: object) -> bool:
    """Return True if `check_identifier` would take it."""
    try:
        check_identifier(text)
    except InvalidIdentifier:
        return False
    return True


class _Once:
    """A property that is computed once. ``functools.cached_property`` locks, before Python 3.12."""

    def __init__(self, compute: Callable[["EntryKey"], str]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, key: "EntryKey", kind: object = None) -> str:
        # Two threads may both compute it, and come to the same. From then on the instance's own
        # attribute is found first.
        text = key.__dict__[self._name] = self._compute(key)
        return text


@dataclass(frozen=True)
class EntryKey:
    """The name of one entry: a resource, which one of them, and the state it is in."""

    resource: str
    identifier: str
    state: str
    schema: int = 1

    def __str__(self) -> str:
        return self.name

    @_Once
    def name(self) -> str:
        """Return the readable name."""
        return f"{self.resource}.{self.identifier}.{self.state}"

    @_Once
    def cache_key(self) -> str:
        """Return the stored key: what ``get_cache_key`` makes of this name."""
        return stored_key(self.resource, self.identifier, self.state, self.schema)


class Names:
    """The names of one thing, computed once: for the reads that ask for the same things again.

    `last_state` is the state that this process last saw current: a guess at the entry to ask for,
    and never more than that.
    """

    __slots__ = ("_keys", "_schema", "identifier", "last_state", "pointer_key", "resource")

    def __init__(self, resource: str, identifier: str, schema: int) -> None:
        """Take what names the thing; raise InvalidIdentifier."""
        self.resource = resource
        self.identifier = check_identifier(identifier)
        self.pointer_key = pointer_key(resource, identifier)
        self.last_state: str | None = None
        self._schema = schema
        self._keys: dict[str, EntryKey] = {}

    def entry_key(self, state: str) -> EntryKey:
        """Return the name of the entry for `state`."""
        key = self._keys.get(state)
        if key is None:
            key = self._keys[state] = EntryKey(self.resource, self.identifier, state, self._schema)
        return key


@lru_cache(maxsize=_REMEMBERED)
def names(resource: str, identifier: str, schema: int = 1) -> Names:
    """Return the names of one thing; raise InvalidIdentifier. Shared, and safe to share."""
    return Names(resource, identifier, schema)


def pointer_key(resource: str, identifier: str) -> str:
    """Return the stored key of the pointer that says which state is current.

    It has no schema: two releases side by side must agree on what is current.
    """
    return stored_key(resource, identifier, POINTER)


def lease_key(resource: str, identifier: str, schema: int = 1) -> str:
    """Return the stored key of the lease; a release with another schema computes its own entry."""
    # Not remembered: what is loaded is loaded once, and then found.
    return _stored_key(resource, identifier, LEASE, schema)


def _stored_key(resource: str, identifier: str, version: str, schema: int = 1) -> str:
    """Return what ``get_cache_key`` makes of these arguments.

    Raise InvalidIdentifier or InvalidName for what could name another one's key.
    """
    check_identifier(identifier)
    if _NAME.fullmatch(resource) is None:
        raise InvalidName(resource)
    if _STATE.fullmatch(version) is None and _BESIDE.fullmatch(version) is None:
        raise InvalidName(version)
    if schema == 1:
        # The first release's keys stay the plain ones that other code computes.
        return str(get_cache_key(cache_name=resource, identifier=identifier, version=version))
    # A deploy that changes the schema leaves the running release's entries alone: the bare
    # "version" of get_cache_key is the state, so the schema is an argument of its own.
    return str(
        get_cache_key(cache_name=resource, identifier=identifier, version=version, schema=schema)
    )


#: `_stored_key`, remembered for the keys that are asked for most: the name decides the key for
#: ever, and computing (and checking) one costs a tenth of a round trip.
stored_key = lru_cache(maxsize=_REMEMBERED)(_stored_key)
