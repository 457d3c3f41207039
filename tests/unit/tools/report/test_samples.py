from __future__ import annotations

import pytest

from tools.report.samples import Samples


def test_nothing_has_no_percentile() -> None:
    assert Samples().percentile(50) is None


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    samples = Samples()
    for value in reversed(range(1, 101)):
        samples.add(float(value))
    assert samples.percentile(percent) == expected


def test_a_long_run_keeps_a_uniform_sample_in_bounded_memory() -> None:
    samples = Samples(kept=500)
    for value in range(20_000):
        samples.add(float(value))
    assert len(samples) == 20_000
    assert len(samples._values) == 500
    median = samples.percentile(50)
    assert median is not None
    # Neither the first nor the last 500: of all of them, and so near the middle.
    assert 8_000 < median < 12_000
