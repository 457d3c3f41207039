"""The world of one exploring process: puts real functions into a place where all is decided here.

`installed` swaps what the project reaches out to: Django's connections and caches, the clock, the
broker. `play` runs one schedule in it and judges it.
"""

import itertools
import logging
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NoReturn

from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.utils import timezone
from edx_django_utils.cache import utils as request_tier

from coordinator.celery import doorbell, hints, tasks
from coordinator.core import cache, clock, conf, keys, lease, load, resource, switches
from coordinator.core.read import Lookup, read
from coordinator.core.resource import Loaded, Resource, Standing
from coordinator.errors import CoordinatorError
from coordinator.ledger import locking
from coordinator.ledger.queries import may_seed, standings_of
from coordinator.ledger.recording import record_change
from coordinator.orders.models import Order
from coordinator.payments.models import Payment
from coordinator.warmer import outcomes as endings
from coordinator.warmer import throttle
from tests.schedules.bell import Broker, Publisher
from tests.schedules.ledger import ORDERS, PAYMENTS, Ledger, Row
from tests.schedules.memory import Contents, ScheduledCache
from tests.schedules.oracle import Judge, Violation
from tests.schedules.scenario import CALM, EXPIRE, Plan, Scenario
from tests.schedules.scheduler import Actor, Choose, Happened, Killed, Process, Scheduler
from tests.schedules.steps import NOTHING
from tests.schedules.timing import BEGINNING, VirtualClock, VirtualDatetime
from tests.schedules.upstream import Load, Upstream

#: How many rounds of settling may be needed once nothing goes wrong any more.
MOST_ROUNDS = 60

TIME = frozenset({"time"})


@dataclass(frozen=True, slots=True)
class Played:
    """One schedule, with what was wrong about it."""

    complete: bool
    violations: list[Violation]
    choices: list[int]
    story: list[Happened]


@dataclass(frozen=True, slots=True)
class _Beginning:
    rows: Mapping[str, list[Row]]
    contents: Contents
    newest: Mapping[str, int]
    loads: list[Load]
    messages: list[float]
    commits: Mapping[str, list[Any]]
    time: float


class World:
    """Everything that a schedule touches."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.ledger = Ledger(self._after_commit)
        self.cache = ScheduledCache(self.clock)
        self.scenario: Scenario
        self.scheduler = self._scheduler(tell=False)
        self.upstream = Upstream(self.scheduler, self.clock, lambda number: 0)
        self.broker = Broker(self.scheduler, self.clock)
        self.judge = Judge(self.upstream)
        #: The process of those who are threads of one.
        self.web = Process("web")
        self._connection_slot = SimpleNamespace(default=None)
        self._beginnings: dict[object, _Beginning] = {}
        self._resources: dict[int, Resource] = {}
        self._replaced: dict[str, object] = {}
        self._in_force: Mapping[str, object] | None = None

    # -- in place of the outside -------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator["World"]:
        """Let the project reach this world, and nothing else, within the block."""
        before: list[tuple[Any, str, Any]] = []

        def put(owner: Any, name: str, value: object) -> None:
            before.append((owner, name, owner.__dict__.get(name, _ABSENT)))
            setattr(owner, name, value)

        put(connections, "_connections", self._connection_slot)
        put(caches, "_connections", SimpleNamespace(default=self.cache))
        put(cache, "_backend", self.cache)
        put(timezone, "datetime", VirtualDatetime(self.clock))
        put(clock, "_clock", self.clock)
        put(switches, "_memo", switches._Memo(switches.Switches(), float("inf")))
        put(keys, "names", self._names)
        put(endings, "of_trouble", self._unforeseen)
        put(load, "_unforeseen", self._unforeseen)
        put(load, "_pool", lambda pid, size: InTurn())
        put(lease, "_flights", {})
        put(lease, "_serial", lease._serial)
        put(hints, "_publisher", hints._publisher)
        put(throttle, "_own", _NothingLearned())
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        put(locking, "lock", self._locking(locking.lock))
        real = resource.get(Payment.resource_name)
        resource.unregister(real.name)
        resource.register(self.resource(1, real))
        real_orders = [one for one in resource.registered() if one.name == Order.resource_name]
        resource.unregister(Order.resource_name)
        resource.register(self.orders)
        try:
            yield self
        finally:
            for mine in (real.name, Order.resource_name):
                resource.unregister(mine)
            for before_us in (real, *real_orders):
                resource.register(before_us)
            logging.disable(level)
            self._restore_settings()
            for owner, name, value in reversed(before):
                delattr(owner, name) if value is _ABSENT else setattr(owner, name, value)

    def close(self) -> None:
        """Remove what this world keeps on disk."""
        self.ledger.close()

    def resource(self, schema: int = 1, real: Resource | None = None) -> Resource:
        """Return the project's own resource, loading from this world's upstream."""
        if schema not in self._resources:

            def load(number: str, standing: Standing) -> Loaded:
                return self.upstream.load(number, standing, schema)

            real = real or resource.get(Payment.resource_name)
            self._resources[schema] = replace(real, load=load, load_many=None, schema=schema)
        return self._resources[schema]

    @cached_property
    def orders(self) -> Resource:
        """Return the containers: orders that are loaded, with their payments, from here."""
        return Resource(
            name=Order.resource_name,
            states=Order.state_table.names,
            standings=standings_of(Order),
            load=lambda number, standing: self.upstream.load_order(number, standing),
            may_seed=may_seed,
            likely_states=("confirmed",),
        )

    def resource_of(self, number: str) -> Resource:
        """Return the resource that keeps what is of this number."""
        return self.orders if number in self.scenario.orders else self.resource()

    def _locking(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Let the judge know which rows a transaction locks, in which order."""

        def lock(model: Any, *rest: Any) -> Any:
            rows = real(model, *rest)
            actor = self.scheduler.current
            if actor is not None:
                connection = self.ledger.connection(actor.index)
                more = [str(row) for row in rows]
                self.judge.locked(connection.locked, more)
                connection.locked += more
            return rows

        return lock

    def _names(self, named: str, identifier: str, schema: int = 1) -> keys.Names:
        """Stand for ``keys.names``, whose memory of the last state is each process's own."""
        assert self.scheduler.current is not None
        known = self.scheduler.current.process.names
        if (named, identifier, schema) not in known:
            known[named, identifier, schema] = keys.Names(named, identifier, schema)
        return known[named, identifier, schema]

    def _unforeseen(self, *trouble: object) -> NoReturn:
        """Stand for what turns a bug into an outcome: here it is one to be seen."""
        self.judge.violated("error", f"something unforeseen: {trouble!r}")
        raise RuntimeError("unforeseen")

    # -- one schedule ------------------------------------------------------------------------------

    def play(
        self,
        scenario: Scenario,
        choose: Choose | Callable[["World"], Choose],
        plan: Plan = CALM,
        *,
        seed: int = 0,
        tell: bool = False,
    ) -> Played:
        """Run one schedule of `scenario`, as `choose` picks, and judge it."""
        self._begin(scenario, seed=seed, tell=tell)
        scenario.cast(self)
        actors = {actor.name: actor for actor in self.scheduler.actors}
        for name, step in plan.crashes:
            actors[name].crash_at = step
        for name, number, what in plan.faults:
            actors[name].faults[number] = what
        complete = self.scheduler.run(choose)  # type: ignore[arg-type]
        if complete:
            self._end(plan)
        return Played(complete, self.judge.violations, self.scheduler.choices, self.scheduler.story)

    def prepare(self, scenario: Scenario) -> None:
        """Bring about how `scenario` begins, for all of its schedules."""
        self._begin(scenario, seed=0, tell=False)

    def _begin(self, scenario: Scenario, *, seed: int, tell: bool) -> None:
        random.seed(seed)
        self._apply_settings(scenario)
        beginning = self._beginnings.get(scenario.beginning)
        if beginning is None:
            beginning = self._bring_about(scenario)
            self._beginnings[scenario.beginning] = beginning
        self._put_back(scenario, beginning, tell=tell)
        # The same schedule names its leases in the same way each time, and as no beginning does.
        lease._serial = itertools.count(1_000)
        self.web = Process("web")

    def _bring_about(self, scenario: Scenario) -> _Beginning:
        empty: dict[str, list[Row]] = {table: [] for table in self.ledger.rows()}
        nowhere: Any = self.cache.contents()[0].__class__(), {}
        self._put_back(scenario, _Beginning(empty, nowhere, {}, [], [], {}, BEGINNING), tell=False)
        self.freely("before", lambda: scenario.before(self))
        return _Beginning(
            self.ledger.rows(),
            self.cache.contents(),
            dict(self.upstream.newest),
            list(self.upstream.loads),
            list(self.broker.messages),
            {number: list(known) for number, known in self.judge.commits.items()},
            self.clock.time,
        )

    def _put_back(self, scenario: Scenario, beginning: _Beginning, *, tell: bool) -> None:
        self.scenario = scenario
        self.clock.time = beginning.time
        self.scheduler = self._scheduler(tell=tell)
        self.clock.waiting = self.scheduler.wait
        everywhere = TIME if scenario.timed else NOTHING
        self.ledger.scheduler = self.cache.scheduler = self.scheduler
        self.ledger.begin_scenario(everywhere)
        self.ledger.restore(beginning.rows)
        self.cache.begin_scenario(everywhere, _names_of(scenario))
        self.cache.restore(beginning.contents)
        self.cache.on_its_way.clear()
        upstream, broker = self.upstream, self.broker
        upstream.scheduler = broker.scheduler = self.scheduler
        upstream.begin_scenario(everywhere, dict(scenario.shown_in))
        upstream.orders = dict(scenario.orders)
        broker.everywhere = everywhere
        upstream.histories = dict(scenario.histories)
        upstream.newest, upstream.shown = dict(beginning.newest), dict(beginning.newest)
        upstream.loads, upstream.failures = list(beginning.loads), []
        upstream.tells_versions = scenario.tells_versions
        broker.messages, broker.down = list(beginning.messages), False
        self.judge = Judge(
            upstream,
            scenario.strict,
            scenario.loads_per_revision,
            scenario.shared_processes,
            scenario.may_fail,
            len(upstream.loads),
            commits={number: list(known) for number, known in beginning.commits.items()},
        )
        upstream.revision_of = self.judge.revision_of

    def _scheduler(self, *, tell: bool) -> Scheduler:
        return Scheduler(self.clock, self._enter, self._leave, self._bury, tell)

    # -- who runs ----------------------------------------------------------------------------------

    def _enter(self, actor: Actor) -> None:
        self._connection_slot.default = self.ledger.connection(actor.index)
        request_tier._REQUEST_CACHE._data = actor.tier
        lease._flights = actor.process.flights  # type: ignore[assignment]
        hints._publisher = Publisher(self.broker, self.clock, actor.process)  # type: ignore[assignment]  # a stand-in

    def _leave(self, actor: Actor) -> None:
        actor.tier = request_tier._REQUEST_CACHE._data

    def _bury(self, actor: Actor) -> None:
        self.ledger.connection(actor.index).bury()

    def actor(self, name: str, body: Callable[[], None], process: Process | None = None) -> Actor:
        """Add an actor that does `body`, in a process of its own unless it shares one."""

        def guarded() -> None:
            try:
                body()
            except Killed:
                raise
            except Exception:  # noqa: BLE001  # an actor that raises is a violation to tell
                _, error, trace = sys.exc_info()
                where = traceback.extract_tb(trace)[-1]
                self.judge.violated(
                    "error", f"{name} failed with {error!r} in {where.filename}:{where.lineno}"
                )

        return self.scheduler.add(Actor(name, guarded, process or Process(name)))

    def freely(self, name: str, act: Callable[[], None]) -> None:
        """Do something outside the schedule, as a process of its own, without switching."""
        actor = Actor(name, act, Process(name))
        actor.index, actor.free = len(self.scheduler.actors), True
        self.scheduler.current = actor
        self._enter(actor)
        try:
            act()
        finally:
            self._leave(actor)
            self.scheduler.current = None

    # -- what is seen from outside -----------------------------------------------------------------

    def _after_commit(self, tables: frozenset[str]) -> None:
        if tables.isdisjoint({PAYMENTS, ORDERS}):
            return
        for number, revision, state, version in self.ledger.raw.execute(_PAYMENT_ROWS).fetchall():
            # Of several objects the column says how much went back, which counts no versions.
            counts = not self.upstream.histories[number][0].speaks
            told = self.ledger.told(number, revision)
            self.judge.committed(number, revision, state, version if counts else None, told)
        for row in self.ledger.raw.execute(_ORDER_ROWS).fetchall():
            self.judge.committed(*row)
        for number in self.scenario.orders:
            self.judge.shows(number, self.upstream.payments_of(number))
        if self.scheduler.current is not None:
            self.scheduler.current.failures_at_commit = self.scheduler.current.cache_failures
            self.scheduler.current.containers_at_commit = {
                number: self.judge.revision_of(number) for number in self.scenario.orders
            }

    def tell(self, actor: str, what: str) -> None:
        """Add a line to the story."""
        if self.scheduler.tell:
            self.scheduler.story.append(Happened(actor, what))

    # -- the end -----------------------------------------------------------------------------------

    def _end(self, plan: Plan) -> None:
        """Let faults stop, and see what comes of it."""
        self.judge.count_loads(self.scheduler.crashes)
        self.judge.order_of(self.ledger.logged())
        if self.scenario.rings and not plan.crashes:
            self._judge_the_bell()
        self.freely("next", self._read_all)
        # A lease that arrives after its taker has given up is nobody's, and makes others wait for
        # its timeout: answered with "busy", which is no wrong answer.
        late = bool(self.cache.on_its_way)
        if self.cache.on_its_way:
            for arriving in self.cache.on_its_way:
                arriving()
            self.cache.on_its_way.clear()
            # A lease that arrives so late is nobody's.
            self.clock.time += conf.seconds("LEASE_TIMEOUT")
        self.upstream.shown = dict(self.upstream.newest)
        self.upstream.failures.clear()
        self.broker.down = False
        # The lease of one who died, or whose release never arrived, is told "busy" as well, for as
        # long as it lasts.
        self.judge.strict, self.judge.may_fail = True, late or self._leases_left(plan)
        if plan.ending == EXPIRE:
            self.clock.time += conf.seconds("POINTER_TIMEOUT")
            self.tell("time", "the pointer's timeout passes, and nobody settles")
            self.freely("in the end", self._read_all)
        if self.scenario.redelivers:
            self.freely("redelivery", self._deliver_all)
        self.freely("settling", self._settle_all)
        self.freely("in the end", self._read_all)
        if self.scenario.redelivers:
            self._judge_the_states()

    def _leases_left(self, plan: Plan) -> bool:
        there = self.cache.contents()[0]
        return (self.scheduler.crashes > 0 or bool(plan.faults)) and any(
            name.startswith("lease ") and self.cache.make_key(key) in there
            for key, name in self.cache.names.items()
        )

    def _deliver_all(self) -> None:
        """Deliver every event once more: a provider repeats what nobody has acknowledged."""
        for number in self.scenario.histories:
            for version in range(1, self.upstream.newest.get(number, 0) + 1):
                record_change(Payment, self.upstream.event(number, version))
        for number in self.scenario.orders:
            for version in range(1, self.upstream.newest.get(number, 0) + 1):
                record_change(Order, self.upstream.order_event(number, version))

    def _judge_the_bell(self) -> None:
        for identifier, revision, _, outcome, reason, _, attempts in self.ledger.unsettled():
            if not (attempts or outcome or reason):
                self.judge.violated(
                    "wake-up", f"{identifier} r{revision} waits, and no message is on its way"
                )

    def _settle_all(self) -> None:
        for _ in range(MOST_ROUNDS):
            waiting = self.ledger.unsettled()
            if not waiting:
                return
            cache.clear_request_tier()
            attempts = sum(int(row[-1]) for row in waiting)  # type: ignore[call-overload]
            tasks.settle.run()
            after = self.ledger.unsettled()
            if len(after) == len(waiting) and attempts == sum(int(row[-1]) for row in after):  # type: ignore[call-overload]
                # Nothing was due.
                self.clock.time += 10.0
        for row in self.ledger.unsettled():
            self.judge.violated("G3", f"{row[0]} r{row[1]} is never settled: {row[4]!r}")

    def _read_all(self) -> None:
        for number in (*self.scenario.histories, *self.scenario.orders):
            cache.clear_request_tier()
            expected = self.judge.expect(number, "whoever comes later")
            answer: Lookup | CoordinatorError
            try:
                answer = read(self.resource_of(number), number)
            except CoordinatorError as error:
                answer = error
            self.tell("in the end", f"got {self.judge.answered(expected, answer)}")

    def _judge_the_states(self) -> None:
        for number, version in self.upstream.newest.items():
            if number in self.upstream.orders:
                state = self.upstream.orders[number][version - 1].state
                if (known := self.judge.commits[number][-1].state) != state:
                    self.judge.violated("G3", f"{number} is {known} in the end, {state} upstream")
                continue
            there = self.upstream.histories[number][version - 1]
            wanted = (there.state, there.received, there.refunded, there.dispute)
            columns = self.ledger.columns(number)
            if columns != wanted:
                self.judge.violated(
                    "G3", f"{number} is {columns} in the end, and {wanted} upstream"
                )

    # -- settings ----------------------------------------------------------------------------------

    def _apply_settings(self, scenario: Scenario) -> None:
        if scenario.settings is self._in_force:
            return
        self._restore_settings()
        self._in_force = scenario.settings
        for name, value in scenario.settings.items():
            self._replaced[name] = getattr(settings, name)
            setattr(settings, name, value)

    def _restore_settings(self) -> None:
        for name, value in self._replaced.items():
            setattr(settings, name, value)
        self._replaced, self._in_force = {}, None


class InTurn(Executor):
    """Stands for a process's pool of threads: what it would load at once comes one by one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it at once."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _NothingLearned(throttle.Throttle):
    """Keeps no memory: what a schedule does may not depend on the schedules before it."""

    def refused(self, resource: str, seconds: float) -> None:
        """Leave the resource open."""

    def took(self, asked: int, claimed: int, settled: int, seconds: float, limit: int) -> None:
        """Leave pages as large as they are."""


_ABSENT = object()
_ORDER_ROWS = f'SELECT number, revision, state, version FROM "{Order._meta.db_table}"'
_PAYMENT_ROWS = f'SELECT number, revision, state, version FROM "{Payment._meta.db_table}"'


def _names_of(scenario: Scenario) -> dict[str, str]:
    names = {doorbell._KEY: "doorbell", doorbell._LATER_KEY: "doorbell later"}
    for number in scenario.histories:
        names[keys.pointer_key("payment", number)] = f"pointer {number}"
        for schema in (1, 2):
            mark = "" if schema == 1 else f" schema {schema}"
            names[keys.lease_key("payment", number, schema)] = f"lease {number}{mark}"
            for state in Payment.state_table:
                key = keys.stored_key("payment", number, state.name, schema)
                names[key] = f"entry {number}.{state.name}{mark}"
    for number in scenario.orders:
        names[keys.pointer_key("order", number)] = f"pointer {number}"
        names[keys.lease_key("order", number)] = f"lease {number}"
        for state in Order.state_table:
            names[keys.stored_key("order", number, state.name)] = f"entry {number}.{state.name}"
    return names
