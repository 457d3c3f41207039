from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordinator.upstream.permits import Allowance, OwnPermits, PermitOutcome
from tests.unit.upstream.conftest import Clock
from tests.unit.upstream.permits_contract import PermitsContract


class TestOwnPermits(PermitsContract):
    @pytest.fixture
    def permits(self, clock: Clock) -> OwnPermits:
        return OwnPermits(clock)

    @pytest.fixture
    def pass_by(self, clock: Clock) -> Callable[[float], None]:
        return clock.pass_by

    def test_two_threads_never_get_the_same_last_permit(self) -> None:
        permits = OwnPermits()
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda i: permits.take(str(i), Allowance(50, 0), 60), range(400)))
        assert sum(verdict.outcome is PermitOutcome.GRANTED for verdict in taken) == 50

    def test_a_silence_grants_nothing_but_is_no_pause_of_upstreams(self, clock: Clock) -> None:
        permits = OwnPermits(clock)
        permits.keep_silent(1)
        assert permits.take("a", Allowance(5, 0), 60).outcome is PermitOutcome.BUSY
        assert permits.take("a", Allowance(0, 0), 60).outcome is PermitOutcome.GRANTED
        clock.pass_by(1)
        assert permits.take("a", Allowance(5, 0), 60).outcome is PermitOutcome.GRANTED

    def test_nothing_piles_up_where_nothing_is_counted(self, clock: Clock) -> None:
        permits = OwnPermits(clock)
        for i in range(1000):
            permits.take(str(i), Allowance(0, 5), 60)
            permits.give(str(i), Allowance(0, 5))
        assert permits.counted() == 0
        assert not permits._counted
        assert not permits._held

    def test_what_no_longer_counts_is_forgotten(self, clock: Clock) -> None:
        permits = OwnPermits(clock)
        for i in range(1000):
            permits.note(str(i), Allowance(5, 0), 0.1)
            permits.give(str(i), Allowance(5, 0))
            clock.pass_by(0.1)
        assert len(permits._counted) < 20
