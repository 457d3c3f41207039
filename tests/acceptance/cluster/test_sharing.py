"""Two workers with one backlog: each takes a part of it, and nobody does anything twice."""

from __future__ import annotations

import pytest
from pytest_celery.api.setup import CeleryTestSetup
from pytest_celery.api.worker import CeleryTestWorker, CeleryWorkerCluster

from coordinator.ledger.models import UNSETTLED, Change
from tests.acceptance.cluster.nodes import WorkerNode
from tests.acceptance.cluster.system import System
from tools.report.answers import How

pytestmark = pytest.mark.slow

NUMBERS = [f"EDX-SHARED-{index}" for index in range(40)]


@pytest.fixture
def celery_worker_cluster(
    # First: it starts while the other one is waited for.
    other_worker_container: WorkerNode,
    celery_setup_worker: CeleryTestWorker,
    celery_other_worker: CeleryTestWorker,
) -> CeleryWorkerCluster:
    return CeleryWorkerCluster(celery_setup_worker, celery_other_worker)


def test_two_workers_share_a_backlog_and_load_each_payment_once(
    celery_setup: CeleryTestSetup, system: System
) -> None:
    workers: list[WorkerNode] = [worker.container for worker in celery_setup.worker_cluster]
    for worker in workers:
        worker.pause()
    system.pay_and_refund(*NUMBERS)
    assert Change.objects.filter(UNSETTLED).count() >= len(NUMBERS)
    system.begin_slow_loads(0.1)

    for worker in workers:
        worker.resume()
    system.wait_until_settled()

    assert system.loads_begun() == len(NUMBERS)

    def loads() -> list[int]:
        return [worker.logs().count("upstream.request_finished cause=event") for worker in workers]

    # What a container has printed can be read a moment later.
    system.wait_until(lambda: sum(loads()) == len(NUMBERS))
    # Pages of five, each of which takes a moment: neither can take nearly all of them alone.
    assert min(loads()) >= 10, loads()
    system.end_slow_loads()
    assert {system.read(number).how for number in NUMBERS} == {How.HIT}
