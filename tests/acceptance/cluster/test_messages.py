"""Messages of another release, which are in the broker while workers are replaced by new ones.

``messages/`` holds what a release published, as it lay in Redis, except that none of it expires. A
release keeps what is there and adds what it publishes itself:
``python -m tests.acceptance.cluster.messages``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_celery.api.setup import CeleryTestSetup

import coordinator
from tests.acceptance.cluster.system import System
from tools.report.answers import How
from workers import app

pytestmark = pytest.mark.slow

RELEASES = sorted((Path(__file__).parent / "messages").glob("*.json"))


def test_the_present_release_is_among_them_with_all_its_tasks() -> None:
    [present] = [path for path in RELEASES if path.stem == coordinator.__version__]
    published = {message["headers"]["task"] for message in json.loads(present.read_text())}
    app.loader.import_default_modules()
    assert {name for name in app.tasks if name.startswith("coordinator.")} <= published


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_every_message_of_an_older_release_is_still_understood(
    path: Path, celery_setup: CeleryTestSetup, system: System
) -> None:
    messages = json.loads(path.read_text())
    worker = celery_setup.worker
    for message in messages:
        queue = message["properties"]["delivery_info"]["routing_key"]
        celery_setup.broker.container.client.lpush(queue, json.dumps(message))

    done = [
        f"Task {message['headers']['task']}[{message['headers']['id']}] succeeded"
        for message in messages
    ]
    system.wait_until(lambda: all(line in worker.logs() for line in done))
    assert "Traceback" not in worker.logs()


def test_a_message_of_a_newer_release_is_set_aside_and_the_worker_goes_on(
    celery_setup: CeleryTestSetup, system: System
) -> None:
    [message, *_] = json.loads(RELEASES[-1].read_text())
    message["headers"]["task"] = "coordinator.settle_even_better"
    message["headers"]["id"] = message["properties"]["correlation_id"] = "from-the-future"
    celery_setup.broker.container.client.lpush("settle", json.dumps(message))
    system.wait_until(lambda: "coordinator.settle_even_better" in celery_setup.worker.logs())

    system.pay("EDX-PRESENT")
    system.wait_until_recorded("EDX-PRESENT")
    system.wait_until_settled()

    assert system.read("EDX-PRESENT").how is How.HIT
