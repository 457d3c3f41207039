"""What happened is told to whoever subscribed, and to nobody's harm."""

import logging

import pytest

from coordinator.core import events
from coordinator.core.events import CacheFailed, Event


def test_a_subscriber_is_told_from_then_on_and_until_it_ends() -> None:
    heard: list[Event] = []
    events.emit(CacheFailed("before"))
    unsubscribe = events.subscribe(heard.append)
    events.emit(CacheFailed("during"))
    unsubscribe()
    events.emit(CacheFailed("after"))
    assert heard == [CacheFailed("during")]


def test_ending_one_subscription_leaves_the_others() -> None:
    one: list[Event] = []
    other: list[Event] = []
    end_one, end_other = events.subscribe(one.append), events.subscribe(other.append)
    end_one()
    end_one()
    events.emit(CacheFailed("get"))
    end_other()
    assert (one, other) == ([], [CacheFailed("get")])


def test_a_failing_subscriber_is_logged_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []

    def fails(event: Event) -> None:
        raise ValueError("broken metric")

    ends = [events.subscribe(fails), events.subscribe(heard.append)]
    with caplog.at_level(logging.ERROR):
        events.emit(CacheFailed("get"))
    for end in ends:
        end()
    assert heard == [CacheFailed("get")]
    assert [record.message for record in caplog.records] == ["subscriber.failed"]


def test_a_subscriber_may_end_its_own_subscription() -> None:
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        end()

    end = events.subscribe(once)
    events.emit(CacheFailed("first"))
    events.emit(CacheFailed("second"))
    assert heard == [CacheFailed("first")]
