"""What happened is told to whoever subscribed, and a failing subscriber harms no other."""

import logging

import pytest

from coordinator.core import events
from coordinator.core.events import CacheFailed, CoreEvent, EntryDue
from coordinator.upstream import events as upstream_events


def test_a_subscriber_is_told_from_then_on_and_until_it_ends() -> None:
    heard: list[CoreEvent] = []
    events.emit(CacheFailed("before"))
    unsubscribe = events.subscribe(heard.append)
    events.emit(CacheFailed("during"))
    unsubscribe()
    events.emit(CacheFailed("after"))
    assert heard == [CacheFailed("during")]


def test_ending_one_subscription_leaves_the_others() -> None:
    one: list[CoreEvent] = []
    other: list[CoreEvent] = []
    end_one, end_other = events.subscribe(one.append), events.subscribe(other.append)
    end_one()
    end_one()
    events.emit(CacheFailed("get"))
    end_other()
    assert (one, other) == ([], [CacheFailed("get")])


def test_a_failing_subscriber_is_logged_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[CoreEvent] = []

    def fails(event: CoreEvent) -> None:
        raise ValueError("broken metric")

    ends = [events.subscribe(fails), events.subscribe(heard.append)]
    with caplog.at_level(logging.ERROR):
        events.emit(CacheFailed("get"))
    for end in ends:
        end()
    assert heard == [CacheFailed("get")]
    assert [record.message for record in caplog.records] == ["subscriber.failed"]


def test_a_subscriber_may_end_its_own_subscription() -> None:
    heard: list[CoreEvent] = []

    def once(event: CoreEvent) -> None:
        heard.append(event)
        end()

    end = events.subscribe(once)
    events.emit(CacheFailed("first"))
    events.emit(CacheFailed("second"))
    assert heard == [CacheFailed("first")]


def test_who_wants_one_kind_of_event_is_told_of_no_other() -> None:
    heard: list[CoreEvent] = []
    already = events.heard(CacheFailed)
    end = events.subscribe(heard.append, EntryDue)
    events.emit(CacheFailed("get"))
    assert events.heard(EntryDue)
    assert events.heard(CacheFailed) is already
    end()
    assert heard == []


def test_rooms_do_not_hear_each_other() -> None:
    heard: list[object] = []
    end = upstream_events.subscribe(heard.append)
    events.emit(CacheFailed("get"))
    end()
    assert heard == []
