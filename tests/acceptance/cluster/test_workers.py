"""What becomes of a warm whose worker is killed, or told to end, in the middle of it."""

from __future__ import annotations

import pytest
from pytest_celery.api.setup import CeleryTestSetup

from coordinator.ledger.models import Change
from tests.acceptance.cluster.nodes import WorkerNode
from tests.acceptance.cluster.system import System
from tools.report.answers import How

pytestmark = pytest.mark.slow

SECONDS_OF_A_LOAD = 1.0


def in_the_middle_of_a_warm(worker: WorkerNode, system: System, number: str) -> None:
    """Return while the worker waits for the provider's answer about this payment."""
    worker.pause()
    system.pay_and_refund(number)
    system.begin_slow_loads(SECONDS_OF_A_LOAD)
    worker.resume()
    system.wait_until(lambda: system.loads_begun() > 0)


def newest_change(number: str) -> Change:
    """Return the payment's newest change."""
    return Change.objects.filter(identifier=number).latest("revision")


def test_a_warm_whose_worker_is_killed_is_done_by_the_next_one(
    celery_setup: CeleryTestSetup, system: System
) -> None:
    worker: WorkerNode = celery_setup.worker.container
    in_the_middle_of_a_warm(worker, system, "EDX-KILLED")
    celery_setup.worker.kill()
    assert worker.status == "exited"
    assert not newest_change("EDX-KILLED").settled
    system.end_slow_loads()

    celery_setup.worker.restart()
    system.wait_until_settled()

    change = newest_change("EDX-KILLED")
    assert (change.outcome, change.attempts) == ("warmed", 1), "being killed is no attempt"
    assert system.read("EDX-KILLED").how is How.HIT


def test_a_worker_that_is_told_to_end_finishes_the_warm_that_it_has_begun(
    celery_setup: CeleryTestSetup, system: System
) -> None:
    worker: WorkerNode = celery_setup.worker.container
    in_the_middle_of_a_warm(worker, system, "EDX-ENDED")

    assert worker.stop() == 0

    change = newest_change("EDX-ENDED")
    assert change.settled
    assert (change.outcome, change.attempts) == ("warmed", 1)
    assert system.read("EDX-ENDED").how is How.HIT
