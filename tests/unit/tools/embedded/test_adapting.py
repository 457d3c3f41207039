from __future__ import annotations

import logging

import pytest
from pytest_django import Settings

from tools.embedded import adapting, web
from tools.embedded.adapting import NotEmbeddable
from tools.embedded.options import Options

DEVELOPMENT = "coordinator.settings.development"


@pytest.fixture(autouse=True)
def development(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings look as they do for a newcomer."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", DEVELOPMENT)
    settings.MEMCACHED_SERVERS = []
    settings.CELERY_BROKER_URL = "memory://"


def test_the_settings_of_a_newcomer_will_do() -> None:
    adapting.check()


def test_it_does_not_run_with_the_settings_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "coordinator.settings.production")
    with pytest.raises(NotEmbeddable, match=r"production\. Leave it out"):
        adapting.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEMCACHED_SERVERS", ["127.0.0.1:11211"]),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
    ],
)
def test_a_cache_or_a_broker_elsewhere_is_refused_with_what_to_do(
    settings: Settings, name: str, value: object
) -> None:
    setattr(settings, name, value)
    with pytest.raises(NotEmbeddable, match="Unset both, or run the parts apart: make serve"):
        adapting.check()


def test_the_log_goes_where_it_should_and_nowhere_else(settings: Settings) -> None:
    class Kept(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.records: list[logging.LogRecord] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record)

    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    level, config = root.level, settings.LOGGING_CONFIG
    kept = Kept()
    try:
        with adapting.logging_to([kept]):
            assert root.handlers == [kept]
            logging.getLogger("somewhere").warning("entry.lost")
            logging.getLogger("somewhere").info("entry.warmed")
            # Every payment that is not known yet would be a line.
            logging.getLogger("django.request").warning("Not Found")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        settings.LOGGING_CONFIG = config
        for name in ("django.request", "waitress.queue", "kombu.connection"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert [record.getMessage() for record in kept.records] == ["entry.lost"]


def test_a_port_that_is_taken_is_told_apart_from_one_that_is_free() -> None:
    with web.bind(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(web.PortTaken, match=rf"this one can't be used: {port}"):
            web.bind(port)
    web.bind(port).close()


def test_the_same_seed_is_the_same_run_and_every_other_run_is_another() -> None:
    assert Options(seed="7").of_simulator() == Options(seed="7").of_simulator()
    assert Options(seed="7").of_shoppers() == Options(seed="7").of_shoppers()
    assert Options().seed != Options().seed


def test_upstream_is_as_slow_as_is_asked_for() -> None:
    options = Options(latency_ms=200).of_simulator()
    assert options[options.index("--latency-ms") + 1] == "200"
    assert options[options.index("--jitter-ms") + 1] == "50.0"
