"""The doorbell: one message, however often it rings, and another one once it was heard or lost."""

from typing import Any

import pytest

from coordinator.celery import doorbell, hints
from coordinator.core import cache
from coordinator.errors import CacheUnreachable


class Broker:
    """Stands for `hints`, which sends: keeps what is sent, or refuses it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []
        self.takes = True

    def send(self, name: str, *, countdown: float = 0.0, **_: Any) -> bool:
        if self.takes:
            self.sent.append((name, countdown))
        return self.takes


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> Broker:
    mine = Broker()
    monkeypatch.setattr(hints, "send", mine.send)
    monkeypatch.setattr(hints, "quiet", lambda: False)
    return mine


def test_many_rings_are_one_message(hinted: Broker) -> None:
    assert [doorbell.ring() for _ in range(3)] == [True, False, False]
    assert hinted.sent == [("settle", 0.0)]


def test_after_it_was_heard_it_rings_anew(hinted: Broker) -> None:
    doorbell.ring()
    doorbell.clear()

    assert doorbell.ring()


def test_a_ring_that_the_broker_did_not_take_lets_the_next_one_try(hinted: Broker) -> None:
    hinted.takes = False
    assert not doorbell.ring()

    hinted.takes = True
    assert doorbell.ring()


def test_a_ring_for_later_is_another_one_and_sent_once(hinted: Broker) -> None:
    doorbell.ring()

    assert [doorbell.ring_later(5), doorbell.ring_later(5)] == [True, False]
    assert hinted.sent == [("settle", 0.0), ("settle", 5)]


def test_without_the_cache_it_rings_too_often_and_never_for_later(
    hinted: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> bool:
        raise CacheUnreachable

    monkeypatch.setattr(cache, "add", unreachable)

    assert [doorbell.ring(), doorbell.ring(), doorbell.ring_later(5)] == [True, True, False]


def test_while_the_broker_is_left_alone_nothing_rings(
    hinted: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "quiet", lambda: True)

    assert [doorbell.ring(), doorbell.ring_later(5)] == [False, False]
    assert hinted.sent == []
