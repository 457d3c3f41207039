"""What is asked at each scrape: the ledger's backlog, the switches, the limits.

The same whichever process answers, so no process keeps it. Each question is bounded: two partial
indexes hold what the ledger is asked for, and no more than `MOST` rows of them are looked at.
"""

import logging
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import Error as DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric

from coordinator.core import switches
from coordinator.ledger import queue
from coordinator.ledger.models import Change, ChangeOutcome

logger = logging.getLogger(__name__)

#: Where counting ends: more is as bad, and costs more to find out.
MOST: Final = 20_000


class Asked:
    """A collector, in the library's word, that asks when it is asked."""

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without values, so that registering one makes no query."""
        yield from (_up(), _backlog(), _oldest(), _abandoned(), _switch(), _limit())

    def collect(self) -> Iterator[Metric]:
        """Yield what holds now; without a ledger, what can be told without it."""
        yield from _of_ledger()
        yield _thrown()
        yield _limits()


def _of_ledger() -> Iterator[Metric]:
    up = _up()
    try:
        found = queue.backlog(at_most=MOST)
        abandoned = Change.objects.filter(outcome=ChangeOutcome.ABANDONED)[:MOST].count()
    except DatabaseError as error:
        # Who looks at metrics wants the others all the more now.
        logger.warning("metrics.ledger_unread", extra={"error": type(error).__name__})
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    yield up
    for family, value in (
        (_backlog(), found.unsettled),
        (_oldest(), found.oldest_seconds),
        (_abandoned(), abandoned),
    ):
        family.add_metric([], value)
        yield family


def _thrown() -> Metric:
    family, current = _switch(), switches.current()
    for name, positions in switches.POSITIONS.items():
        for position in positions:
            family.add_metric([name, position], int(getattr(current, name) == position))
    return family


def _limits() -> Metric:
    family = _limit()
    family.add_metric(["requests_per_second"], settings.COORDINATOR_UPSTREAM_BUDGET_RPS)
    family.add_metric(["concurrent"], settings.COORDINATOR_UPSTREAM_BUDGET_CONCURRENT)
    return family


def _up() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_ledger_up", "1 if the ledger's database answered just now, 0 if not."
    )


def _backlog() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_backlog_changes", f"Changes that are not settled; counted to {MOST}."
    )


def _oldest() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_backlog_oldest_seconds",
        f"The age of the oldest of them, among the {MOST} that are due first.",
    )


def _abandoned() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_abandoned_changes",
        f"Changes that were given up, and were not tried again; counted to {MOST}.",
    )


def _switch() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_switch_position",
        "The kill switches: 1 for the position that each is in.",
        labels=["switch", "position"],
    )


def _limit() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "coordinator_upstream_budget_limit",
        "What upstream may see of all processes together, as configured; 0: no limit.",
        labels=["of"],
    )
