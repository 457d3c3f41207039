"""Rounds of one kind: one goes on at a time, and without the cache none is held up."""

import pytest

from coordinator.core import cache
from coordinator.errors import CacheUnreachable
from coordinator.warmer import rounds


def test_a_second_round_of_a_kind_does_not_begin_before_the_first_has_ended() -> None:
    mine = rounds.begin("verify")
    assert mine is not None
    assert rounds.begin("verify") is None

    rounds.end("verify", mine)

    assert rounds.begin("verify") is not None


def test_rounds_of_two_kinds_do_not_meet() -> None:
    assert rounds.begin("verify") is not None
    assert rounds.begin("reconcile") is not None


def test_a_round_that_another_one_took_over_does_not_go_on() -> None:
    old = rounds.begin("refill")
    assert old is not None
    new = rounds.begin_anew("refill")

    assert not rounds.goes_on("refill", old)
    assert rounds.goes_on("refill", new)


def test_a_round_that_has_lost_its_mark_goes_on_and_sets_it_again() -> None:
    assert rounds.goes_on("refill", "mine")

    assert rounds.begin("refill") is None


def test_only_its_own_round_is_ended() -> None:
    old = rounds.begin("refill")
    assert old is not None
    new = rounds.begin_anew("refill")

    rounds.end("refill", old)

    assert rounds.goes_on("refill", new)
    assert rounds.begin("refill") is None


def test_without_the_cache_rounds_begin_go_on_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> bool:
        raise CacheUnreachable

    monkeypatch.setattr(cache, "add", unreachable)
    monkeypatch.setattr(cache, "delete_those_of_mine", unreachable)

    mine = rounds.begin("refill")

    assert mine is not None
    assert rounds.goes_on("refill", mine)
    rounds.end("refill", mine)
