"""Any permutation, duplication and delay of any events ends in the newest state.

Hypothesis makes up what happens upstream and in which order we hear of it; the change log and the
ledger must agree at every moment, and both with upstream in the end.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coordinator.celery import tasks
from coordinator.core import cache
from coordinator.core.read import Lookup, Outcome, read
from coordinator.ledger import order
from coordinator.ledger.models import Change
from coordinator.ledger.recording import record_change
from coordinator.payments.models import Payment
from tests.schedules.scenario import Scenario
from tests.schedules.upstream import Version
from tests.schedules.world import World

N = "EDX-1"

CONTENT = st.builds(
    Version,
    st.sampled_from(
        ["requires_payment_method", "requires_action", "processing", "canceled", "succeeded"]
    ),
    st.just(0),
    received=st.sampled_from([0, 1000]),
    refunded=st.sampled_from([0, 400, 1000]),
    dispute=st.sampled_from(["", "open", "won", "lost"]),
)


class Events(RuleBasedStateMachine):
    """Upstream lives its life; its events come when and as often as they like."""

    world: World
    tells_versions: bool
    undelivered = Bundle("undelivered")
    delivered = Bundle("delivered")

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.second = 10
        self.world.prepare(
            Scenario("events", {N: ()}, lambda world: None, tells_versions=self.tells_versions)
        )

    # -- what happens --------------------------------------------------------------------------

    @rule(target=undelivered, content=CONTENT, later=st.sampled_from([0, 0, 1, 60]))
    def upstream_changes(self, content: Version, later: int) -> int:
        """Providers count in seconds: some changes share one."""
        self.second += later
        self.version += 1
        upstream = self.world.upstream
        made = Version(
            content.intent_status,
            self.second,
            content.received,
            content.refunded,
            content.dispute,
        )
        upstream.histories[N] = (*upstream.histories.get(N, ()), made)
        upstream.newest[N] = upstream.shown[N] = self.version
        return self.version

    @rule(target=delivered, version=consumes(undelivered))
    def an_event_arrives(self, version: int) -> int:
        self.deliver(version)
        return version

    @rule(version=delivered)
    def an_event_arrives_again(self, version: int) -> None:
        before = self.rows()
        self.deliver(version)
        assert self.rows() == before, "a second delivery has changed something"

    @rule()
    def a_worker_settles(self) -> None:
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 11.0, 31.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.time += seconds

    @rule()
    @precondition(lambda self: self.world.judge.revision_of(N))
    def somebody_reads(self) -> None:
        self.read()

    # -- what holds at every moment ------------------------------------------------------------

    @invariant()
    def log_and_ledger_agree(self) -> None:
        payments, changes = self.rows()
        if not payments:
            assert not changes
            return
        (revision, state), *others = payments
        assert not others
        applied = [(change[0], change[1]) for change in changes if change[2]]
        assert [number for number, _ in applied] == list(range(1, revision + 1))
        assert applied[-1] == (revision, state)

    # -- how it ends ---------------------------------------------------------------------------

    def teardown(self) -> None:
        if not self.version:
            return
        for version in range(1, self.version + 1):
            # What has not arrived yet does now; what has arrives once more.
            self.deliver(version)
        for _ in range(200):
            if not self.world.ledger.unsettled():
                break
            self.settle()
            self.world.clock.time += 30.0
        assert not self.world.ledger.unsettled()
        self.log_and_ledger_agree()
        newest = self.world.upstream.histories[N][-1]
        columns = "state, intent_status, amount_received, amount_refunded, dispute"
        held = self.world.ledger.raw.execute(
            f'SELECT {columns} FROM "{Payment._meta.db_table}"'
        ).fetchone()
        assert held == (
            newest.state,
            newest.intent_status,
            newest.received,
            newest.refunded,
            newest.dispute,
        )
        self.read()
        assert self.read() is Outcome.HIT
        assert not self.world.judge.violations

    # -- how it is done ------------------------------------------------------------------------

    def deliver(self, version: int) -> None:
        event = self.world.upstream.event(N, version)

        def record() -> None:
            record_change(Payment, event)

        self.world.freely("webhook", record)

    def settle(self) -> None:
        def act() -> None:
            cache.clear_request_tier()
            tasks.settle.run()

        self.world.freely("worker", act)

    def read(self) -> Outcome:
        answers: list[Lookup] = []
        expected = self.world.judge.expect(N, "reader")
        self.world.freely("reader", lambda: answers.append(read(self.world.resource(), N)))
        self.world.judge.answered(expected, answers[0])
        assert not self.world.judge.violations
        return answers[0].outcome

    def rows(self) -> tuple[list[tuple[int, str]], list[tuple[int, str, int]]]:
        raw = self.world.ledger.raw
        return (
            raw.execute(f'SELECT revision, state FROM "{Payment._meta.db_table}"').fetchall(),
            raw.execute(
                f"SELECT revision, state, applied "
                f'FROM "{Change._meta.db_table}" ORDER BY revision, id'
            ).fetchall(),
        )


def run_events(
    world: World, *, tells_versions: bool, phases: tuple[Phase, ...] = tuple(Phase)
) -> None:
    class EventsHere(Events):
        pass

    EventsHere.world, EventsHere.tells_versions = world, tells_versions
    run_state_machine_as_test(
        EventsHere,
        settings=settings(
            max_examples=100,
            phases=phases,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize("tells_versions", [True, False], ids=["versions", "no versions"])
def test_any_order_of_events_ends_in_the_newest_state(world: World, tells_versions: bool) -> None:
    run_events(world, tells_versions=tells_versions)


def test_applying_late_events_would_be_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "decide", lambda *event, **how: order.Ordering())
    with pytest.raises(AssertionError):
        # The first example will do, however long it is.
        run_events(world, tells_versions=True, phases=(Phase.generate,))
