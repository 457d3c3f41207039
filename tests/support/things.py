"""A resource whose ledger is a dictionary: what the core's tests read and warm."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from coordinator.core import cache, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.keys import EntryKey
from coordinator.core.pointer import Current
from coordinator.core.read import read
from coordinator.core.resource import Resource, Standing
from tests.support.upstream import OWNER, Upstream

STATES = frozenset({"open", "paid", "refunded"})


def own(owner: str) -> bool:
    """Be the ``allowed`` of the owner of everything that nobody else was made the owner of."""
    return owner == OWNER


def nobody(_owner: str) -> bool:
    """Be the ``allowed`` of a stranger."""
    return False


class Things:
    """The ledger of things, and the resource that reads it."""

    def __init__(self, upstream: Upstream, *, schema: int = 1, bulk: bool = False) -> None:
        self.rows: dict[str, Standing] = {}
        #: The identifiers of each query, in order.
        self.queries: list[tuple[str, ...]] = []
        self.outside_transactions = True
        self.resource = Resource(
            name="thing",
            states=STATES,
            standings=self.standings,
            load=upstream.load,
            load_many=upstream.load_many if bulk else None,
            may_seed=lambda: self.outside_transactions,
            likely_states=("paid",),
            schema=schema,
        )

    def standings(self, identifiers: Sequence[str]) -> Mapping[str, Standing]:
        """Be a Resource's ``standings``."""
        self.queries.append(tuple(identifiers))
        return {name: self.rows[name] for name in identifiers if name in self.rows}

    def write(self, identifier: str, state: str, **columns: object) -> Standing:
        """Commit a change to the ledger alone, without a word to the cache."""
        before = self.rows.get(identifier, Standing(state, 0, OWNER, f"up_{identifier}"))
        row = replace(before, state=state, revision=before.revision + 1)
        self.rows[identifier] = replace(row, **columns)  # type: ignore[arg-type]  # by name
        return self.rows[identifier]

    def change(self, identifier: str, state: str, **columns: object) -> Standing:
        """Commit a change as ``record_change`` does: suspend, commit, advance."""
        before = self.rows.get(identifier)
        pointer.suspend("thing", identifier, (before.revision if before else 0) + 1)
        row = self.write(identifier, state, **columns)
        pointer.advance(
            "thing",
            identifier,
            lambda: self.rows.get(identifier),
            own=Current(row.state, row.revision),
        )
        return row

    def key(self, identifier: str, state: str) -> EntryKey:
        """Return the name of the entry for this state."""
        return EntryKey("thing", identifier, state, self.resource.schema)

    def pointer(self, identifier: str) -> pointer.Pointer | None:
        """Return the pointer that is there, None without one."""
        return pointer.look("thing", [identifier]).get(identifier)

    def warm(self, identifier: str, state: str = "paid") -> CacheEntry:
        """Have it in this state, pointer and entry in the shared cache, and nothing remembered."""
        self.change(identifier, state)
        lookup = read(self.resource, identifier)
        assert lookup.entry is not None
        assert lookup.stored
        cache.clear_request_tier()
        self.queries.clear()
        return lookup.entry
