"""Observers hear of trouble, and can't cause any."""

import logging

import pytest

from coordinator.memcached.observing import Trouble, observe, report


def test_observers_are_told_until_they_say_otherwise() -> None:
    told: list[object] = []
    forget = observe(lambda *what: told.append(what))
    report("node", "get", Trouble.TIMEOUT)
    forget()
    report("node", "get", Trouble.CLOSED)
    forget()
    assert told == [("node", "get", Trouble.TIMEOUT)]


def test_an_observer_that_raises_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []

    def broken(node: str, operation: str, trouble: Trouble) -> None:
        raise RuntimeError("metrics are down")

    forget_both = [observe(broken), observe(lambda *what: told.append(what))]
    with caplog.at_level(logging.ERROR):
        report("node", "set", Trouble.REFUSED)
    for forget in forget_both:
        forget()
    assert told == [("node", "set", "refused")]
    assert "cache.observer_failed" in caplog.text
