"""The judge: knows what was committed and when each load began, and nothing of how it is done.

It looks at the ledger's committed rows, at upstream's own notes and at what readers were handed,
never at the project's decisions, so it can't share their mistakes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coordinator.core.read import Lookup, Outcome
from coordinator.errors import CacheUnreachable, CoordinatorError
from tests.schedules.ledger import Logged, told_version
from tests.schedules.upstream import Load, Upstream

#: The ledger's revision of a payment that it does not know.
UNKNOWN = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit made of a payment; `told` is the version whose event it took in."""

    revision: int
    state: str
    version: int | None
    told: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    guarantee: str
    what: str

    def __str__(self) -> str:
        return f"{self.guarantee}: {self.what}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a read must not fall behind: decided at the moment at which it begins."""

    number: str
    revision: int
    reader: str
    #: Of a container: what it must not be older than, of each thing that it shows.
    inside: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Judge:
    """Judges one schedule.

    `strict` says that the cache keeps what it is given, so G1 holds; otherwise a read must not
    fall behind what was promised (`promise`), as G2 has it.
    """

    upstream: Upstream
    strict: bool = True
    #: How many loads one revision may cost, or None where that can't be told.
    loads_per_revision: int | None = 1
    #: Threads of one process hand each other what they loaded, lagging or not.
    shared_processes: bool = False
    #: A read may end without an answer: a holder of the lease died, or upstream failed.
    may_fail: bool = False
    #: How many loads had been made before the schedule began.
    loads_before: int = 0
    commits: dict[str, list[Committed]] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)
    #: What each revision of a container showed when it was committed.
    showed: dict[tuple[str, int], Mapping[str, int]] = field(default_factory=dict)
    #: The order in which transactions have taken the locks of two rows.
    locks: set[tuple[str, str]] = field(default_factory=set)
    returned: int = 0
    violations: list[Violation] = field(default_factory=list)

    # -- what happened -----------------------------------------------------------------------------

    def committed(
        self, number: str, revision: int, state: str, version: int | None, told: int | None = None
    ) -> None:
        """Take note of a payment's row as it is committed now."""
        known = self.commits.setdefault(number, [])
        if known and revision < known[-1].revision:
            self.violations.append(Violation("ledger", f"{number} went back to {revision}"))
        if not known or revision > known[-1].revision:
            known.append(Committed(revision, state, version, told))

    def shows(self, number: str, inside: Iterable[str]) -> None:
        """Take note of what a container shows, as it is committed now."""
        key = (number, self.revision_of(number))
        self.showed.setdefault(key, {one: self.revision_of(one) for one in inside})

    def locked(self, held: Iterable[str], more: Iterable[str]) -> None:
        """Take note that a transaction which held these rows has locked more, in this order.

        Two that take the locks of two rows the other way round wait for each other for ever, if
        they come to it at one moment: on a database that locks rows, which SQLite does not.
        """
        before = list(held)
        for row in more:
            for other in before:
                if (row, other) in self.locks:
                    self.violated("deadlock", f"{other} is locked before {row}, and after it")
                self.locks.add((other, row))
            before.append(row)

    def revision_of(self, number: str) -> int:
        """Return the committed revision of a payment."""
        known = self.commits.get(number)
        return known[-1].revision if known else UNKNOWN

    def promise(self, number: str, revision: int) -> None:
        """Hold every read from now on to `revision`.

        Its writer has advanced its pointer, or a settling round is done with it.
        """
        self.promised[number] = max(revision, self.promised.get(number, UNKNOWN))

    def lost(self, *, returned: bool = False) -> None:
        """The cache has lost something: what was promised before is void.

        If something old has `returned`, so is what would be promised for what was done before.
        """
        self.promised.clear()
        self.returned += returned

    # -- reads -------------------------------------------------------------------------------------

    def expect(self, number: str, reader: str) -> Expectation:
        """A read begins."""
        known = self.revision_of(number)
        revision = known if self.strict else min(known, self.promised.get(number, UNKNOWN))
        inside = {one: self.revision_of(one) for one in self.upstream.payments_of(number)}
        if not self.strict:
            inside = dict(self.showed.get((number, revision), {}))
        return Expectation(number, revision, reader, inside)

    def answered(self, expected: Expectation, answer: Lookup | CoordinatorError) -> str:
        """A read ends; return what it came to, to be read."""
        if isinstance(answer, CoordinatorError):
            if not self.may_fail or isinstance(answer, CacheUnreachable):
                self._violated("answer", expected, f"failed with {type(answer).__name__}")
            return type(answer).__name__
        if answer.entry is None:
            if answer.outcome is not Outcome.ABSENT:
                self._violated("answer", expected, f"was {answer.outcome.value}")
            elif expected.revision > UNKNOWN:
                self._violated(
                    "G1" if self.strict else "G2",
                    expected,
                    f"found nothing, though revision {expected.revision} had been committed",
                )
            return answer.outcome.value
        load = self.upstream.load_of(answer.entry.payload)
        self._judge(expected, answer, load)
        return (
            f"{answer.outcome.value} {answer.entry.state}, entry of revision "
            f"{answer.entry.revision}, loaded at ledger revision {load.ledger_revision}: "
            f"version {load.version}, {load.state}"
        )

    def _judge(self, expected: Expectation, answer: Lookup, load: Load) -> None:
        guarantee = "G1" if self.strict else "G2"
        if load.number != expected.number:
            self._violated("G6", expected, f"got the payload of {load.number}")
        elif load.tells is not None:
            missing = self._untold(expected, load.tells)
            if missing is not None:
                self._violated(
                    guarantee,
                    expected,
                    f"got what the event of version {load.version} carried, which tells nothing of "
                    f"revision {missing}",
                )
        elif load.ledger_revision < expected.revision:
            self._violated(
                guarantee,
                expected,
                f"got what was loaded at revision {load.ledger_revision}, though revision "
                f"{expected.revision} had been committed before it began",
            )
        elif self._from_the_cache(expected, answer, load) and not self._fits(expected, load):
            self._violated(
                guarantee,
                expected,
                f"got a stored {load.state} (version {load.version}) that contradicts every "
                f"revision from {expected.revision} on",
            )

        for inside, revision in expected.inside.items():
            if load.inside.get(inside, UNKNOWN) < revision:
                self._violated(
                    guarantee,
                    expected,
                    f"got {inside} inside as it was at revision {load.inside.get(inside)}, though "
                    f"revision {revision} had been committed before it began",
                )

    def _untold(self, expected: Expectation, tells: frozenset[int]) -> int | None:
        """Return a revision that a carried entry says nothing of, though it had been committed.

        An entry tells a revision if it tells the event that made it, or a later word of the same
        object; and it is only of use if its own event was committed at all.
        """
        history = self.upstream.histories[expected.number]
        speaks = {history[one - 1].speaks: one for one in sorted(tells)}
        known = self.commits.get(expected.number, [])
        if max(tells) not in {one.told for one in known}:
            return max(expected.revision, 1)
        for one in known:
            if one.revision <= expected.revision:
                if one.told is None:
                    # What a load observed is no event's to tell.
                    return one.revision
                if one.told > speaks.get(history[one.told - 1].speaks, 0):
                    return one.revision
        return None

    def _from_the_cache(self, expected: Expectation, answer: Lookup, load: Load) -> bool:
        """Return True if this was stored: a cold read may answer with a payload that lags."""
        if answer.outcome is Outcome.HIT:
            return True
        return answer.collapsed and not self.shared_processes

    def _fits(self, expected: Expectation, load: Load) -> bool:
        """Return True if the content is what one of the revisions that will do has promised."""
        return any(
            load.state == known.state and (known.version is None or load.version >= known.version)
            for known in self.commits.get(expected.number, [])
            if known.revision >= expected.revision
        )

    def _violated(self, guarantee: str, expected: Expectation, what: str) -> None:
        self.violations.append(
            Violation(guarantee, f"{expected.reader} asked for {expected.number} and {what}")
        )

    # -- at the end --------------------------------------------------------------------------------

    def count_loads(self, crashes: int) -> None:
        """Judge G4: what one revision has cost. A holder that died has had a lease of its own."""
        if self.loads_per_revision is None:
            return
        counts: dict[tuple[str, int, int], int] = {}
        for load in self.upstream.loads[self.loads_before :]:
            if load.tells is not None:
                continue
            if not self._keeps(load):
                # It contradicted the ledger: nobody may keep it, and whoever asks next loads again.
                continue
            key = (load.number, load.schema, load.for_revision)
            counts[key] = counts.get(key, 0) + 1
        for (number, _, revision), count in counts.items():
            if count > self.loads_per_revision + crashes:
                self.violations.append(
                    Violation("G4", f"{number} was loaded {count} times for revision {revision}")
                )

    def order_of(self, log: Iterable[Logged]) -> None:
        """Judge order: an event is late only if its own object has said something newer before.

        Unless upstream is asked. What a load observed is newer than all before it.
        """
        newest: dict[tuple[str, str], int] = {}
        observed: set[str] = set()
        for number, event_id, applied, confirm in log:
            if number not in self.upstream.histories:
                # An order: its events are one object's, and its touches have no order.
                continue
            version = told_version(event_id)
            if version is None:
                observed.add(number)
                continue
            speaks = self.upstream.histories[number][version - 1].speaks
            before = newest.get((number, speaks), 0)
            if not applied and not confirm and version > before and number not in observed:
                self.violated("order", f"version {version} of {number} was taken for late")
            newest[number, speaks] = max(version, before)

    def _keeps(self, load: Load) -> bool:
        """Return True if what was loaded is what the revision that it was made for has promised."""
        return any(
            known.revision == load.for_revision
            and known.state == load.state
            and (known.version is None or known.version <= load.version)
            for known in self.commits.get(load.number, [])
        )

    def violated(self, guarantee: str, what: str) -> None:
        """Take down a broken promise that somebody else has seen."""
        self.violations.append(Violation(guarantee, what))
