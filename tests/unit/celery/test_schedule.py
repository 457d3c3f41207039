"""What a host's Celery app takes over: which task runs how often, and on which queue."""

import fnmatch

import pytest
from pytest_django import Settings

from coordinator.celery import schedule
from coordinator.defaults import DEFAULTS
from workers.app import app


def tasks() -> list[str]:
    app.loader.import_default_modules()
    return [name for name in app.tasks if name.startswith("coordinator.")]


def test_each_beat_sends_a_task_that_exists() -> None:
    beats = schedule.beat_schedule().values()

    assert {beat["task"] for beat in beats} <= set(tasks())


def test_a_beats_message_expires_before_the_next_one() -> None:
    for beat in schedule.beat_schedule().values():
        assert 0 < beat["options"]["expires"] <= beat["schedule"]


@pytest.mark.parametrize(
    ("entry", "setting"),
    [
        ("coordinator-settle", "COORDINATOR_SETTLE_EVERY_SECONDS"),
        ("coordinator-warm-open", "COORDINATOR_WARM_OPEN_EVERY_SECONDS"),
        ("coordinator-reconcile", "COORDINATOR_RECONCILE_EVERY_SECONDS"),
        ("coordinator-verify", "COORDINATOR_VERIFY_EVERY_SECONDS"),
    ],
)
def test_a_period_is_its_setting_and_without_one_its_default(
    settings: Settings, entry: str, setting: str
) -> None:
    setattr(settings, setting, 7.5)
    assert schedule.beat_schedule()[entry]["schedule"] == 7.5

    delattr(settings, setting)
    assert schedule.beat_schedule()[entry]["schedule"] == DEFAULTS[setting]


def queue_of(name: str, routes: dict[str, dict[str, str]]) -> str | None:
    # As Celery does: the first pattern that matches.
    return next(
        (route["queue"] for pattern, route in routes.items() if fnmatch.fnmatch(name, pattern)),
        None,
    )


def test_what_follows_an_event_has_a_queue_of_its_own() -> None:
    routes = schedule.task_routes(settle="now", warm="later", other="rest")
    by_queue = {name: queue_of(name, routes) for name in tasks()}

    assert by_queue["coordinator.settle"] == "now"
    assert by_queue["coordinator.warm_on"] == "later"
    assert by_queue["coordinator.prune"] == "rest"
    assert set(by_queue.values()) == {"now", "later", "rest"}


def test_without_a_queue_for_the_rest_it_goes_to_the_apps_default() -> None:
    assert queue_of("coordinator.prune", schedule.task_routes()) is None
