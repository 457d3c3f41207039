"""Reads metrics in tests: what one is now, and what all of them would be shown as."""

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from coordinator.operations.metrics import declared, reads

Sample = tuple[str, frozenset[tuple[str, str]]]


def value(name: str, **labels: str) -> float:
    """Return what this process has counted, 0 if nothing yet."""
    reads.COUNTS.flush()
    found = declared.REGISTRY.get_sample_value(name, labels)
    return 0.0 if found is None else found


def samples(text: str) -> Mapping[Sample, float]:
    """Return every sample in an answer of ``/metrics``, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


def shown(text: str, name: str, **labels: str) -> float | None:
    """Return one sample of an answer of ``/metrics``, None if it is not there."""
    return samples(text).get((name, frozenset(labels.items())))


def families(text: str) -> Iterable[Metric]:
    """Return the metrics of an answer of ``/metrics``; raise ValueError for any other text."""
    return text_string_to_metric_families(text)
