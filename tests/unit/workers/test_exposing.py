"""Which workers show their metrics on a port."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency import prefork, thread
from pytest_django import Settings

from tests.processes import free_port
from workers import exposing
from workers.app import app


def consumer(pool: Any) -> Any:
    """Return a worker's consumer, as far as this is about it: its pool is real, and not started."""
    return SimpleNamespace(pool=pool(1, app=app))


def test_a_worker_on_threads_shows_what_it_counts(settings: Settings) -> None:
    settings.COORDINATOR_METRICS_PORT = free_port()
    served = exposing.expose_worker(consumer(thread.TaskPool))
    assert served is not None
    served.shutdown()
    served.server_close()
    assert served.server_port == settings.COORDINATOR_METRICS_PORT


def test_a_worker_whose_children_nobody_can_see_says_so_instead(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.COORDINATOR_METRICS_PORT = free_port()
    assert exposing.expose_worker(consumer(prefork.TaskPool)) is None
    assert "metrics.unserved" in caplog.text


@pytest.mark.parametrize("pool", [thread.TaskPool, prefork.TaskPool])
def test_without_a_port_nothing_is_shown_and_nothing_said(
    pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert exposing.expose_worker(consumer(pool)) is None
    assert exposing.expose_beat() is None
    assert caplog.text == ""
