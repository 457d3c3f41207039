"""Upstream as it is and as it shows itself: the truth about content, which may lag behind itself.

Every load is written down with the ledger's revision at the moment at which it began, and its
payload carries its number: whoever is handed a payload can be asked when it was loaded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from coordinator.core.resource import Loaded, Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger.event import Carrier, Event, Observation
from coordinator.payments import serving, states
from coordinator.payments.payload import PaymentDetails
from coordinator.payments.providers.base import Found
from coordinator.upstream.errors import UpstreamNotFound
from tests.schedules.scheduler import Scheduler
from tests.schedules.steps import NOTHING, Step
from tests.schedules.timing import BEGINNING, VirtualClock

OWNER = "7"
NAME = "scheduled"


@dataclass(frozen=True, slots=True)
class Version:
    """What upstream holds of one payment from some moment on: `second` since the beginning.

    `speaks` is the object whose event tells of it, "" for an event that tells the whole payment;
    `own` is what a dispute says of itself, where the payment has several.
    """

    intent_status: str
    second: int
    received: int = 0
    refunded: int = 0
    dispute: str = ""
    speaks: str = ""
    own: str = ""

    @property
    def state(self) -> str:
        return states.derive(self.intent_status, self.received, self.refunded, self.dispute)


@dataclass(frozen=True, slots=True)
class OrderVersion:
    """What the order service holds of one order from some moment on."""

    state: str
    second: int


History = tuple[Version, ...]
OrderHistory = tuple[OrderVersion, ...]


@dataclass(slots=True)
class Load:
    """One load: for which revision it was made, which one stood when it began, what it brought.

    Of an entry that an event carried, `tells` are the versions that the event tells: nothing was
    loaded.
    """

    number: str
    schema: int
    for_revision: int
    ledger_revision: int
    version: int = 0
    state: str = ""
    #: Of a container: which revision of each thing inside stood when it began.
    inside: Mapping[str, int] = field(default_factory=dict)
    tells: frozenset[int] | None = None


@dataclass
class Upstream:
    """All payments of one schedule. Versions count from 1; 0 is a payment nobody has made yet."""

    scheduler: Scheduler
    clock: VirtualClock
    revision_of: Callable[[str], int]
    histories: dict[str, History] = field(default_factory=dict)
    orders: dict[str, OrderHistory] = field(default_factory=dict)
    #: Which order shows a payment.
    shown_in: Mapping[str, str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    #: What loads are shown, where that is not the newest.
    shown: dict[str, int] = field(default_factory=dict)
    tells_versions: bool = True
    loads: list[Load] = field(default_factory=list)
    #: Errors that the next loads meet, in this order.
    failures: list[CoordinatorError] = field(default_factory=list)
    everywhere: frozenset[str] = NOTHING
    _steps: dict[tuple[str, str], Step] = field(default_factory=dict)

    # -- its own life ------------------------------------------------------------------------------

    def becomes(self, number: str, version: int, *, shows: bool) -> None:
        """Let the payment be at `version`; unless it `shows`, loads still see what was before."""
        self.scheduler.step(self._step("upstream.becomes", number))
        self.newest[number] = max(version, self.newest.get(number, 0))
        if shows:
            self.shown[number] = self.newest[number]
        self.scheduler.note(f"version {version}" if shows else f"version {version}, not shown yet")

    def shows_all(self, number: str) -> None:
        """End the lag."""
        self.scheduler.step(self._step("upstream.catches_up", number))
        self.shown[number] = self.newest.get(number, 0)
        self.scheduler.note(f"version {self.shown[number]}")

    def event(self, number: str, version: int) -> Event:
        """Return the event that tells of this version."""
        there = self.histories[number][version - 1]
        return Event(
            event_id=f"evt-{number}-{version}",
            event_type=f"became.{there.state}",
            number=number,
            upstream_id=upstream_id(number),
            occurred_at=moment(there),
            content=self._told(number, version),
            subject=there.speaks,
        )

    def _told(self, number: str, version: int) -> dict[str, object]:
        """Return the columns that the event of this version tells."""
        there, whole = self.histories[number][version - 1], self._content(number, version)
        if there.speaks:
            whole.pop("version", None)
        match there.speaks.partition(":")[0]:
            case "intent":
                del whole["amount_refunded"], whole["dispute"]
            case "charge":
                del whole["dispute"]
            case "dispute":
                del whole["amount_received"], whole["amount_refunded"]
                whole |= {"intent_status": "succeeded", "dispute": there.own}
        return whole

    def _content(self, number: str, version: int) -> dict[str, object]:
        there = self.histories[number][version - 1]
        content: dict[str, object] = {
            "provider": NAME,
            "lms_user_id": OWNER,
            "intent_status": there.intent_status,
            "amount": 1000,
            "amount_received": there.received,
            "amount_refunded": there.refunded,
            "currency": "eur",
            "dispute": there.dispute,
            "order_reference": self.shown_in.get(number, ""),
        }
        if self.histories[number][0].speaks:
            # What several objects say has no common version but the money that went back.
            content["version"] = there.refunded
        elif self.tells_versions:
            content["version"] = version
        return content

    # -- what the project sees of it ---------------------------------------------------------------

    def load(self, number: str, standing: Standing, schema: int) -> Loaded:
        """Load as the project's own resource does, and write down when it began."""
        begun = self._begin(number, schema, standing)
        mark = len(self.loads)
        self.scheduler.step(self._step("load.answers", number))
        if self.failures:
            failure = self.failures.pop(0)
            self.scheduler.note(type(failure).__name__)
            raise failure
        found = self.found(number, mark)
        begun.version, begun.state = self.shown.get(number, 0), found.details.state
        self.scheduler.note(f"version {begun.version}, {begun.state}")
        return serving.loaded(number, found, standing)

    def carrier(self, number: str, version: int) -> Carrier:
        """Return what makes the entry that the event of this version carries.

        Its payload is a mark of its own: it holds what the event tells, and nothing else.
        """

        def carried(name: str, standing: Standing) -> Loaded:
            there = self.histories[number][version - 1]
            told = Load(name, 1, standing.revision, standing.revision, version, there.state)
            spoken = (one for one in range(1, version + 1) if self._speaks(number, one, version))
            told.tells = frozenset(spoken)
            self.loads.append(told)
            return serving.loaded(name, self._found(number, version, len(self.loads)), standing)

        return carried

    def _speaks(self, number: str, one: int, version: int) -> bool:
        history = self.histories[number]
        return history[one - 1].speaks == history[version - 1].speaks

    def _begin(self, number: str, schema: int, standing: Standing) -> Load:
        self.scheduler.step(self._step("load.begins", number))
        # Nothing else moves time inside a schedule, and two loads never begin at the same moment.
        self.clock.time += 0.001
        begun = Load(number, schema, standing.revision, self.revision_of(number))
        self.loads.append(begun)
        self.scheduler.note(
            f"load {len(self.loads)}, for revision {standing.revision}, "
            f"the ledger is at {begun.ledger_revision}"
        )
        return begun

    def order_event(self, number: str, version: int) -> Event:
        """Return the event of the order service that tells of this version."""
        there = self.orders[number][version - 1]
        return Event(
            event_id=f"evt-{number}-{version}",
            event_type=f"became.{there.state}",
            number=number,
            upstream_id=number,
            occurred_at=moment(there),
            content=self._order_content(number, version),
        )

    def _order_content(self, number: str, version: int) -> dict[str, object]:
        there = self.orders[number][version - 1]
        content: dict[str, object] = {
            "lms_user_id": OWNER,
            "status": there.state,
            "currency": "eur",
        }
        if self.tells_versions:
            content["version"] = version
        return content

    def payments_of(self, order: str) -> list[str]:
        """Return the payments that this order shows."""
        return [number for number, shown_in in self.shown_in.items() if shown_in == order]

    def load_order(self, number: str, standing: Standing) -> Loaded:
        """Load an order with its payments inside, and write down when it began."""
        begun = self._begin(number, 1, standing)
        begun.inside = {one: self.revision_of(one) for one in self.payments_of(number)}
        mark = len(self.loads)
        self.scheduler.step(self._step("load.answers", number))
        version = self.shown.get(number, 0)
        there = self.orders[number][version - 1]
        begun.version, begun.state = version, there.state
        self.scheduler.note(f"version {version}, {there.state}")
        return Loaded(
            payload=msgspec.json.encode({"order_reference": str(mark)}),
            state=there.state,
            owner=OWNER,
            version=version if self.tells_versions else None,
            observation=Observation(number, self._order_content(number, version), moment(there)),
        )

    def found(self, number: str, mark: int) -> Found:
        """Return what upstream shows of the payment now, marked as the load of this number."""
        version = self.shown.get(number, 0)
        if not version:
            raise UpstreamNotFound(number)
        return self._found(number, version, mark)

    def _found(self, number: str, version: int, mark: int) -> Found:
        there = self.histories[number][version - 1]
        details = PaymentDetails(
            number=number,
            state=there.state,
            amount=1000,
            amount_received=there.received,
            amount_refunded=there.refunded,
            currency="eur",
            lms_user_id=OWNER,
            order_reference=str(mark),
            provider=NAME,
            provider_id=upstream_id(number),
            provider_status=there.intent_status,
        )
        return Found(
            upstream_id=upstream_id(number),
            number=number,
            details=details,
            observation=Observation(
                upstream_id(number), self._content(number, version), moment(there)
            ),
            version=_told_version(self._content(number, version)),
        )

    def load_of(self, payload: bytes) -> Load:
        """Return the load that brought this payload."""
        return self.loads[int(_mark.decode(payload).order_reference) - 1]

    def _step(self, name: str, number: str) -> Step:
        step = self._steps.get((name, number))
        if step is None:
            thing = frozenset({f"upstream {one}" for one in (number, *self.payments_of(number))})
            step = self._steps[name, number] = {
                "upstream.becomes": Step(name, number, self.everywhere, thing),
                "upstream.catches_up": Step(name, number, self.everywhere, thing),
                # The judge asks in which order loads and commits came.
                "load.begins": Step(
                    name, number, self.everywhere | {"payments", "orders"}, frozenset({"loads"})
                ),
                "load.answers": Step(name, number, self.everywhere | thing),
            }[name]
        return step

    def begin_scenario(self, everywhere: frozenset[str], shown_in: Mapping[str, str]) -> None:
        """Forget the steps of another scenario."""
        if everywhere != self.everywhere or shown_in != self.shown_in:
            self.everywhere, self.shown_in = everywhere, shown_in
            self._steps.clear()


def _told_version(content: dict[str, object]) -> int | None:
    version = content.get("version")
    assert version is None or isinstance(version, int)
    return version


class _Marked(msgspec.Struct):
    order_reference: str


_mark = msgspec.json.Decoder(_Marked)


def upstream_id(number: str) -> str:
    """Return the provider's name of this payment."""
    return f"pi_{number.replace('-', '_')}"


def moment(version: Version | OrderVersion) -> datetime:
    """Return upstream's time of this version: well before the schedule begins."""
    return (
        datetime.fromtimestamp(BEGINNING, UTC)
        - timedelta(minutes=10)
        + timedelta(seconds=version.second)
    )
