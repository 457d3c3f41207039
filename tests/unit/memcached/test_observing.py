"""Observers hear of trouble, and can't cause any."""

import logging

import pytest

from coordinator.memcached.observing import CacheTrouble, Trouble, observe, report


def test_observers_are_told_until_they_say_otherwise() -> None:
    told: list[object] = []
    forget = observe(told.append)
    report("node", "get", Trouble.TIMEOUT)
    forget()
    report("node", "get", Trouble.CLOSED)
    forget()
    assert told == [CacheTrouble("node", "get", Trouble.TIMEOUT)]


def test_an_observer_that_raises_disturbs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []

    def broken(trouble: CacheTrouble) -> None:
        raise RuntimeError("metrics are down")

    forget_both = [observe(broken), observe(told.append)]
    with caplog.at_level(logging.ERROR):
        report("node", "set", Trouble.REFUSED)
    for forget in forget_both:
        forget()
    assert told == [CacheTrouble("node", "set", Trouble.REFUSED)]
    assert "subscriber.failed" in caplog.text
