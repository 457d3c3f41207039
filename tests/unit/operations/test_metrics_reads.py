"""Reads are counted together, and none of them is lost or counted twice."""

import os
import threading
import warnings
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from coordinator.core.events import EntryRead
from coordinator.operations.metrics import declared, reads
from coordinator.operations.metrics.histograms import BatchHistogram
from coordinator.operations.metrics.reads import ReadCounts
from tests.support.threads import at_once

READ = EntryRead("batch", "batch.A-1.paid", "hit", False, False, 0.001)
PATIENCE_SECONDS = 10.0


def counted() -> float:
    """Return how many reads of this test's resource have been counted, not only kept."""
    labels = {"resource": "batch", "outcome": "hit"}
    return declared.REGISTRY.get_sample_value("coordinator_reads_total", labels) or 0.0


def test_a_read_is_only_kept_until_there_are_enough() -> None:
    counts, before = ReadCounts(together=False), counted()
    for _ in range(255):
        counts.add(READ)
    assert counted() == before
    counts.add(READ)
    assert counted() == before + 256


def test_what_is_kept_is_counted_when_somebody_looks() -> None:
    counts, before = ReadCounts(together=False), counted()
    counts.add(READ)
    counts.flush()
    counts.flush()
    assert counted() == before + 1


def test_where_another_process_may_be_asked_it_is_counted_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Watched(ReadCounts):
        flushed = threading.Event()

        def flush(self) -> None:
            super().flush()
            self.flushed.set()

    monkeypatch.setattr(reads, "_LATEST_SECONDS", 0.01)
    counts, before = Watched(together=True), counted()
    for expected in (1, 2):
        counts.flushed.clear()
        counts.add(READ)
        assert counts.flushed.wait(PATIENCE_SECONDS)
        assert counted() == before + expected


def test_threads_that_count_at_once_count_each_read_once() -> None:
    counts, before = ReadCounts(together=False), counted()

    def read() -> None:
        for _ in range(1000):
            counts.add(READ)

    at_once([read] * 4)
    counts.flush()
    assert counted() == before + 4000


def test_a_forked_child_leaves_to_its_parent_what_that_has_kept() -> None:
    counts, before = ReadCounts(together=True), counted()
    counts.add(READ)
    counts.after_fork()
    counts.flush()
    assert counted() == before


def test_the_processs_own_counts_hear_of_forks() -> None:
    before = counted()
    reads.COUNTS.add(READ)
    kept, told = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forking while other threads run; this child needs none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        reads.COUNTS.flush()
        os.write(told, str(counted() - before).encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(kept, 100)
    os.close(kept)
    os.close(told)
    reads.COUNTS.flush()
    assert (answer, counted()) == (b"0.0", before + 1)


@given(st.lists(st.floats(min_value=0, max_value=100, allow_nan=False)))
def test_many_at_once_are_observed_as_each_would_be(amounts: Sequence[float]) -> None:
    one, many = CollectorRegistry(), CollectorRegistry()
    buckets = (0.001, 0.1, 1.0, 10.0)
    each = Histogram("took", "As the library does it.", registry=one, buckets=buckets)
    for amount in amounts:
        each.observe(amount)
    BatchHistogram("took", "At once.", registry=many, buckets=buckets).observe_many(amounts)

    def told(registry: CollectorRegistry) -> list[tuple[str, object, object]]:
        return [
            (sample.name, sample.labels, pytest.approx(sample.value))
            for family in registry.collect()
            for sample in family.samples
        ]

    assert told(one) == told(many)
