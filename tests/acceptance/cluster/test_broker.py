"""An outage of the broker: a delay for the warming, and nothing for anybody else."""

from __future__ import annotations

import pytest
from pytest_celery.api.setup import CeleryTestSetup

from tests.acceptance.cluster.system import System
from tools.report.answers import How

pytestmark = pytest.mark.slow


def test_changes_are_taken_and_read_during_an_outage_and_warmed_after_it(
    celery_setup: CeleryTestSetup, system: System
) -> None:
    system.pay("EDX-BEFORE")
    system.wait_until_recorded("EDX-BEFORE")
    system.wait_until_settled()

    celery_setup.broker.kill()
    try:
        system.pay("EDX-DURING")
        system.wait_until_recorded("EDX-DURING")
        assert system.read("EDX-BEFORE").how is How.HIT
        # Its event carried the entry: no worker was needed.
        assert system.read("EDX-DURING").how is How.HIT
        system.pay("EDX-UNREAD")
        system.wait_until_recorded("EDX-UNREAD")
    finally:
        celery_setup.broker.restart()
    system.wait_until_settled()
    assert system.read("EDX-UNREAD").how is How.HIT
    system.pay("EDX-AFTER")
    system.wait_until_recorded("EDX-AFTER")
    system.wait_until_settled()
    assert system.read("EDX-AFTER").how is How.HIT

    # They waited for the broker, and were not started again.
    assert celery_setup.worker.container.status == "running"
    assert system.beat.status == "running"
