"""Counting is exact: the busiest second, wherever it begins."""

from hypothesis import given
from hypothesis import strategies as st

from tools.simulator.stats import SlidingPeak, Tally


@given(st.lists(st.integers(0, 900), min_size=1, max_size=60))
def test_the_peak_is_that_of_the_busiest_second_whenever_it_began(waits: list[int]) -> None:
    # In 64ths of a second, which floating point keeps exactly.
    arrivals = [sum(waits[: n + 1]) / 64 for n in range(len(waits))]
    peak = SlidingPeak()
    for arrival in arrivals:
        peak.arrive(arrival)
    busiest = max(sum(start <= arrival < start + 1 for arrival in arrivals) for start in arrivals)
    assert peak.peak == busiest


def test_room_is_free_again_once_the_oldest_is_a_second_old() -> None:
    peak = SlidingPeak()
    assert peak.seconds_until_free(0.0) == 0.0
    peak.arrive(10.0)
    peak.arrive(10.25)
    assert peak.seconds_until_free(10.5) == 0.5
    assert peak.current(11.0) == 1


def test_a_tally_counts_requests_answers_and_payments() -> None:
    tally = Tally()
    tally.begin("GET /a", 1.0)
    tally.begin("GET /b", 1.5)
    tally.read(["pi_1", "pi_2", "pi_1"])
    tally.end(200)
    tally.begin("GET /a", 3.0)
    tally.end(404)
    tally.end(0)
    summary = tally.summary()
    assert summary["requests"] == 3
    assert summary["peak_rps"] == 2
    assert (summary["concurrent"], summary["concurrent_peak"]) == (0, 2)
    assert summary["by_kind"] == {"GET /a": 2, "GET /b": 1}
    assert summary["by_status"] == {"0": 1, "200": 1, "404": 1}
    assert (summary["payments_read"], summary["distinct_payments"]) == (3, 2)
    assert summary["busiest_payments"] == {"pi_1": 2, "pi_2": 1}
    assert tally.requests_about("pi_1") == 2
    assert tally.requests_about("pi_unknown") == 0
