"""A scenario: what is there in the beginning, who takes part, and what may be expected of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.schedules.upstream import History, OrderHistory

if TYPE_CHECKING:
    from tests.schedules.world import World

#: What the end of a schedule is like: time passes and no worker comes, or workers do their work.
EXPIRE, SETTLE = "expire", "settle"


def nothing(world: "World") -> None:
    """Begin with nothing."""


@dataclass(frozen=True)
class Scenario:
    """One situation. `before` runs once and is put back for each schedule; `cast` adds the actors.

    `strict`: the cache keeps what it is given, so G1 is promised. `loads_per_revision` is what G4
    allows, None where that can't be told. `timed`: time passes as an actor. `rings`: no message is
    lost, so nothing may wait for the beat. `redelivers`: every event comes once more at last, and
    the ledger must agree with upstream then. `carries`: events carry the entries that they tell.
    """

    name: str
    histories: Mapping[str, History]
    cast: "Callable[[World], None]"
    before: "Callable[[World], None]" = nothing
    strict: bool = True
    loads_per_revision: int | None = 1
    shared_processes: bool = False
    may_fail: bool = False
    timed: bool = False
    rings: bool = False
    redelivers: bool = False
    tells_versions: bool = True
    carries: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    #: The containers, and which of them shows a payment.
    orders: Mapping[str, OrderHistory] = field(default_factory=dict)
    shown_in: Mapping[str, str] = field(default_factory=dict)

    @property
    def beginning(self) -> object:
        """Return what tells its beginning from others'."""
        return (
            self.before,
            tuple(self.histories.items()),
            self.tells_versions,
            self.carries,
            tuple(self.orders.items()),
            tuple(self.shown_in.items()),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes wrong in a schedule, decided beforehand, and how it ends.

    `crashes` names actors and the step that each dies before; `faults` names actors, the number of
    one of their cache operations, and what becomes of that.
    """

    crashes: tuple[tuple[str, int], ...] = ()
    faults: tuple[tuple[str, int, str], ...] = ()
    ending: str = SETTLE

    def __str__(self) -> str:
        parts = [f"{name}!{step}" for name, step in self.crashes]
        parts += [f"{name}?{number}={what}" for name, number, what in self.faults]
        parts += [] if self.ending == SETTLE else [self.ending]
        return ",".join(parts) or "-"

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Return the plan that prints as `text`."""
        crashes, faults, ending = [], [], SETTLE
        for part in text.split(","):
            if "!" in part:
                name, _, step = part.partition("!")
                crashes.append((name, int(step)))
            elif "?" in part:
                name, _, rest = part.partition("?")
                number, _, what = rest.partition("=")
                faults.append((name, int(number), what))
            elif part == EXPIRE:
                ending = EXPIRE
        return cls(tuple(crashes), tuple(faults), ending)


CALM = Plan()
