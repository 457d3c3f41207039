"""The vocabulary of states: a closed set with ranks, written down once per kind of thing."""

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.errors import CoordinatorError


class UnknownLedgerState(CoordinatorError, LookupError):
    """This state is not in the table; add it there, with its rank, before using it."""

    permanent = True


@dataclass(frozen=True, slots=True)
class State:
    """One row of the table.

    Of two states that hold at once the higher `rank` wins; a `terminal` one ends the story unless
    the provider says otherwise.
    """

    name: str
    rank: int
    terminal: bool


class StateTable:
    """A closed set of states; ranks and names are unique, or it is refused at import."""

    def __init__(self, *states: State) -> None:
        """Take the rows in any order."""
        self._by_name = {state.name: state for state in states}
        ranks = {state.rank for state in states}
        if not len(self._by_name) == len(ranks) == len(states):
            raise ValueError("names and ranks of states must each be unique")

    def __iter__(self) -> Iterator[State]:
        return iter(sorted(self._by_name.values(), key=lambda state: state.rank))

    def __getitem__(self, name: str) -> State:
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownLedgerState(name) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def names(self) -> frozenset[str]:
        """Return all names."""
        return frozenset(self._by_name)

    @property
    def open_names(self) -> tuple[str, ...]:
        """Return the names of the states that are not terminal, by rank."""
        return tuple(state.name for state in self if not state.terminal)

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Return the names as a model field's choices."""
        return [(state.name, state.name.replace("_", " ")) for state in self]

    def wins(self, name: str, over: str) -> bool:
        """Return True if `name` beats or equals `over` when their order can't be told."""
        return self[name].rank >= self[over].rank
