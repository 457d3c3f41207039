"""Measures the product beside its peers and the physical floor: ``make bench``.

Everything in one run, on one core, as ratios of medians from interleaved rounds: what else the
machine does then hits both sides of a ratio alike. docs/performance.md says what came of it.
"""
