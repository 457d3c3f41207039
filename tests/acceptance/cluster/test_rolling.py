"""A new release while people are reading and paying: web servers and workers replaced in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import urllib3
from pytest_celery.api.setup import CeleryTestSetup
from pytest_celery.api.worker import CeleryTestWorker, CeleryWorkerCluster

from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from tests.acceptance.cluster.nodes import Node, WorkerNode
from tests.acceptance.cluster.place import Place
from tests.acceptance.cluster.system import System
from tests.acceptance.cluster.traffic import Traffic
from tests.support.threads import Running
from tools.report.answers import How

pytestmark = pytest.mark.slow


@pytest.fixture
def other_web(system: System) -> Iterator[Node]:
    """Yield a second web server, which may not be ready yet."""
    node = system.start_web("web-2")
    yield node
    node.teardown()


@pytest.fixture
def celery_worker_cluster(
    # First: they start while the other worker is waited for.
    other_web: Node,
    other_worker_container: WorkerNode,
    celery_setup_worker: CeleryTestWorker,
    celery_other_worker: CeleryTestWorker,
) -> CeleryWorkerCluster:
    return CeleryWorkerCluster(celery_setup_worker, celery_other_worker)


def test_a_rolling_restart_loses_no_change_and_shows_nobody_an_error(
    celery_setup: CeleryTestSetup, system: System, other_web: Node, place: Place
) -> None:
    other_web.ready()
    with Traffic(system, [system.web, other_web]) as traffic:
        traffic.wait_for_more()
        for node in (system.web, other_web):
            node.restart()
            traffic.wait_for_more()
        for worker in celery_setup.worker_cluster:
            worker.restart()
            traffic.wait_for_more()

    assert traffic.errors == []
    assert traffic.cut_off == [] or place.forwards
    assert traffic.went_back == []
    assert traffic.hits > 0.8 * traffic.reads
    system.wait_until_recorded(*traffic.paid)
    system.wait_until_settled()
    assert Payment.objects.count() == len(traffic.paid)
    assert not Change.objects.filter(outcome="abandoned").exists()
    assert {system.read(number).how for number in traffic.paid} == {How.HIT}


def test_a_web_server_that_is_told_to_end_answers_what_it_has_begun_and_takes_no_more(
    celery_setup: CeleryTestSetup, system: System, other_web: Node
) -> None:
    other_web.ready()
    for worker in celery_setup.worker_cluster:
        worker.container.pause()
    system.pay_and_refund("EDX-DRAINED")
    system.begin_slow_loads(1.0)
    reading = Running(lambda: system.read("EDX-DRAINED", web=other_web).how)
    system.wait_until(lambda: system.loads_begun() > 0)

    assert other_web.stop() == 0

    assert reading.result() is How.MISS
    with pytest.raises(urllib3.exceptions.HTTPError):
        system.read("EDX-DRAINED", web=other_web)
    system.end_slow_loads()
    assert system.read("EDX-DRAINED").how is How.HIT
    for worker in celery_setup.worker_cluster:
        worker.container.resume()
