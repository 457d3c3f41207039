"""The order of events beside the last word of their own object."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from coordinator.ledger import order
from coordinator.ledger.order import WHOLE, Ordering, Place, Said, Word

T = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
OPEN, WON = Said({"dispute": "open"}), Said({"dispute": "won"}, Place.LAST)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def decide(
    words: order.Words,
    subject: str,
    says: Said,
    seconds: float | None,
    *,
    loses: bool = False,
    carries: bool = False,
) -> Ordering:
    moment = None if seconds is None else at(seconds)
    return order.decide(subject, says, moment, words, loses=lambda: loses, carries=carries)


def after(*events: tuple[str, Said, float | None]) -> dict[str, Word]:
    words: dict[str, Word] = {}
    for subject, says, seconds in events:
        words = order.after_event(words, subject, says, None if seconds is None else at(seconds))
    return words


@pytest.mark.parametrize(("seconds", "late"), [(9, True), (11, False)])
def test_an_event_is_late_beside_its_own_objects_word(seconds: float, late: bool) -> None:
    words = after(("dispute:a", OPEN, 10), ("dispute:b", OPEN, 50))
    assert decide(words, "dispute:a", WON, seconds).late is late


def test_an_object_that_has_said_nothing_yet_is_never_late() -> None:
    assert decide(after(("dispute:a", OPEN, 10)), "dispute:b", OPEN, 1) == Ordering()


def test_what_tells_the_whole_thing_is_late_beside_any_newer_word() -> None:
    words = after(("dispute:a", OPEN, 10), ("dispute:b", OPEN, 50))
    assert decide(words, WHOLE, Said(), 20).late
    assert not decide(words, WHOLE, Said(), 60).late


def test_an_object_is_late_beside_what_told_the_whole_thing_after_it() -> None:
    words = after(("dispute:a", OPEN, 10), (WHOLE, Said({"dispute": "won"}), 20))
    assert list(words) == [WHOLE]
    assert decide(words, "dispute:a", OPEN, 15).late


@pytest.mark.parametrize(
    ("held", "said", "expected"),
    [
        (Place.FIRST, Place.BETWEEN, Ordering()),
        (Place.BETWEEN, Place.LAST, Ordering()),
        (Place.FIRST, Place.LAST, Ordering()),
    ],
)
def test_of_two_words_of_one_second_the_objects_own_life_tells_the_order(
    held: Place, said: Place, expected: Ordering
) -> None:
    first, second = Said({"x": 1}, held), Said({"x": 2}, said)
    assert decide(after(("a:1", first, 10)), "a:1", second, 10) == expected
    other_way = decide(after(("a:1", second, 10)), "a:1", first, 10)
    assert (other_way.late, other_way.confirm) == (True, False)


@pytest.mark.parametrize("loses", [False, True])
def test_of_two_words_without_a_place_the_rank_decides_and_upstream_confirms(loses: bool) -> None:
    found = decide(after(("a:1", OPEN, 10)), "a:1", Said({"dispute": ""}), 10, loses=loses)
    assert (found.late, found.confirm) == (loses, True)


def test_the_same_said_twice_needs_no_order_unless_it_carries_more_than_that() -> None:
    words = after(("a:1", OPEN, 10))
    assert decide(words, "a:1", OPEN, 10) == Ordering()
    assert decide(words, "a:1", OPEN, 10, carries=True).confirm


def test_without_a_time_events_count_as_they_come_and_upstream_confirms() -> None:
    words = after(("a:1", OPEN, 10))
    assert decide(words, "a:1", WON, None) == Ordering(confirm=True)
    words = after(("a:1", OPEN, 10), ("a:1", WON, None))
    assert decide(words, "a:1", Said({"x": 1}, Place.LAST), 11) == Ordering(confirm=True)
    assert decide(words, "a:1", OPEN, 9).late, "older than what was told before that"


def test_without_a_time_what_is_over_stays_so_until_upstream_says_otherwise() -> None:
    found = decide(after(("a:1", WON, 10)), "a:1", OPEN, None)
    assert (found.late, found.confirm) == (True, True)


def test_whether_an_event_is_in_what_was_read_no_time_tells() -> None:
    words = order.after_reading({}, {"dispute:a": OPEN}, at(10), at(100))
    assert decide(words, "dispute:a", OPEN, 9).late
    assert decide(words, "dispute:a", Said({"dispute": ""}), 50).confirm
    assert decide(words, "dispute:a", WON, 50) == Ordering(), "what is over came last"
    assert decide(words, "dispute:a", OPEN, 101) == Ordering()
    assert decide(words, "dispute:b", OPEN, 9).late, "it was not there when all was read"
    created = decide(words, "dispute:b", Said({}, Place.FIRST), 50)
    assert (created.late, created.confirm) == (False, True), "it may have come after the reading"


def test_what_was_read_makes_no_word_older_than_it_was() -> None:
    words = order.after_reading(after(("a:1", OPEN, 50)), {"a:1": OPEN}, at(10), None)
    assert decide(words, "a:1", WON, 20).late


def test_words_are_bounded_and_those_that_have_said_their_last_go_first() -> None:
    words = after(("dispute:open", OPEN, 0))
    for number in range(order.MOST_WORDS + 5):
        words = order.after_event(words, f"dispute:{number}", WON, at(number + 1))
    assert len(words) == order.MOST_WORDS
    assert "dispute:open" in words
    assert "dispute:0" not in words


def test_words_are_stored_and_read_again() -> None:
    words = after(("a:1", OPEN, 10), ("b:1", WON, None))
    assert order.words_in({name: word.stored for name, word in words.items()}) == words


def test_the_tolerance_of_clocks_is_a_setting(settings: Settings) -> None:
    assert order.told(at(60), T) == at(60)
    assert order.told(at(61), T) is None
    settings.COORDINATOR_CLOCK_TOLERANCE_SECONDS = 5
    assert order.told(at(6), T) is None
