"""What every count of permits does, whoever shares it: the tests that each of them passes."""

from collections.abc import Callable

from coordinator.upstream.permits import Allowance, PermitOutcome, Permits

GRANTED, BUSY, PAUSED = PermitOutcome.GRANTED, PermitOutcome.BUSY, PermitOutcome.PAUSED


class PermitsContract:
    """Subclass it and give it the fixtures `permits` and `pass_by`."""

    window_seconds = 1.0

    def rate(self, number: int) -> Allowance:
        return Allowance(number, 0, self.window_seconds)

    def places(self, number: int) -> Allowance:
        return Allowance(0, number, self.window_seconds)

    def test_the_rate_is_granted_and_no_more(self, permits: Permits) -> None:
        taken = [permits.take(f"h{i}", self.rate(3), 60).outcome for i in range(5)]
        assert taken == [GRANTED, GRANTED, GRANTED, BUSY, BUSY]

    def test_a_permit_given_back_counts_for_one_more_window(
        self, permits: Permits, pass_by: Callable[[float], None]
    ) -> None:
        permits.take("a", self.rate(1), 60)
        permits.give("a", self.rate(1))
        refused = permits.take("b", self.rate(1), 60)
        assert refused.outcome is BUSY
        assert 0 < refused.wait_seconds <= self.window_seconds
        pass_by(refused.wait_seconds)
        assert permits.take("b", self.rate(1), 60).outcome is GRANTED

    def test_a_permit_that_is_held_counts_however_long_that_is(
        self, permits: Permits, pass_by: Callable[[float], None]
    ) -> None:
        permits.take("a", self.rate(1), 60)
        pass_by(2 * self.window_seconds)
        assert permits.take("b", self.rate(1), 60).outcome is BUSY

    def test_a_dead_holders_permit_is_free_after_its_time_and_a_window(
        self, permits: Permits, pass_by: Callable[[float], None]
    ) -> None:
        allowance = Allowance(1, 1, self.window_seconds)
        permits.take("dead", allowance, self.window_seconds)
        pass_by(1.1 * self.window_seconds)
        assert permits.take("b", allowance, 60).outcome is BUSY
        assert permits.take("b", self.places(1), 60).outcome is GRANTED
        permits.give("b", self.places(1))
        pass_by(2 * self.window_seconds)
        assert permits.take("c", allowance, 60).outcome is GRANTED

    def test_so_many_at_a_time_and_no_more(self, permits: Permits) -> None:
        two = self.places(2)
        taken = [permits.take(f"h{i}", two, 60).outcome for i in range(3)]
        assert taken == [GRANTED, GRANTED, BUSY]
        permits.give("h0", two)
        assert permits.take("h3", two, 60).outcome is GRANTED

    def test_who_may_use_less_stops_earlier_and_leaves_the_rest(self, permits: Permits) -> None:
        low, high = self.rate(2), self.rate(4)
        assert [permits.take(f"l{i}", low, 60).outcome for i in range(3)] == [
            GRANTED,
            GRANTED,
            BUSY,
        ]
        assert [permits.take(f"h{i}", high, 60).outcome for i in range(3)] == [
            GRANTED,
            GRANTED,
            BUSY,
        ]

    def test_what_somebody_else_granted_counts_too(self, permits: Permits) -> None:
        permits.note("a", self.rate(1), 60)
        assert permits.take("b", self.rate(1), 60).outcome is BUSY

    def test_a_permit_that_was_never_taken_counts_once_it_is_given_back(
        self, permits: Permits
    ) -> None:
        permits.give("a", self.rate(1))
        assert permits.take("b", self.rate(1), 60).outcome is BUSY

    def test_a_pause_stops_everybody_until_it_is_over(
        self, permits: Permits, pass_by: Callable[[float], None]
    ) -> None:
        permits.pause(self.window_seconds)
        refused = permits.take("a", self.rate(5), 60)
        assert refused.outcome is PAUSED
        assert 0 < refused.wait_seconds <= self.window_seconds
        assert permits.take("a", Allowance(0, 0), 60).outcome is PAUSED
        pass_by(refused.wait_seconds)
        assert permits.take("a", self.rate(5), 60).outcome is GRANTED

    def test_a_shorter_pause_does_not_end_a_longer_one(
        self, permits: Permits, pass_by: Callable[[float], None]
    ) -> None:
        permits.pause(3 * self.window_seconds)
        permits.pause(0)
        pass_by(self.window_seconds)
        assert permits.take("a", self.rate(5), 60).outcome is PAUSED

    def test_without_a_limit_everything_is_granted(self, permits: Permits) -> None:
        none = Allowance(0, 0)
        assert all(permits.take(f"h{i}", none, 60).outcome is GRANTED for i in range(50))

    def test_a_lowered_rate_counts_what_was_granted_before(self, permits: Permits) -> None:
        for i in range(5):
            permits.take(f"h{i}", self.rate(5), 60)
        for i in range(5):
            permits.give(f"h{i}", self.rate(5))
        refused = permits.take("late", self.rate(2), 60)
        assert refused.outcome is BUSY
        assert refused.wait_seconds > 0
