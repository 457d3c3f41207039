from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tools.embedded.interrupts import interruptible

WHICH = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", WHICH)
def test_a_signal_ends_the_wait_and_nothing_else(number: signal.Signals) -> None:
    with interruptible() as interrupts:
        timer = threading.Timer(0.05, send, [number])
        timer.start()
        assert interrupts.wait(20)
        timer.join()


def test_a_signal_that_came_before_the_wait_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with interruptible() as interrupts:
        send(signal.SIGINT)
        assert interrupts.wait(0)
        assert interrupts.wait(0)


def test_the_second_signal_can_be_waited_for() -> None:
    with interruptible() as interrupts:
        send(signal.SIGINT)
        assert not interrupts.wait(0.01, times=2)
        send(signal.SIGINT)
        assert interrupts.wait(20, times=2)


def test_without_a_signal_the_wait_takes_as_long_as_it_should() -> None:
    with interruptible() as interrupts:
        began = time.monotonic()
        assert not interrupts.wait(0.05)
        assert time.monotonic() - began >= 0.05


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in WHICH]
    with interruptible():
        assert [signal.getsignal(number) for number in WHICH] != before
    assert [signal.getsignal(number) for number in WHICH] == before
