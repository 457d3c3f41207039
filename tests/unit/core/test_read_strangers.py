"""What there is not, and what is not theirs: to a stranger the two are the same."""

from collections.abc import Callable

import pytest

from coordinator.core import cache, keys, pointer
from coordinator.core.pointer import Absent, Current
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded
from tests.support.things import Things, nobody, own
from tests.support.upstream import Upstream


def test_what_the_ledger_does_not_know_is_absent_and_asked_for_once(
    things: Things, upstream: Upstream
) -> None:
    assert read(things.resource, "T-1").outcome is Outcome.ABSENT
    cache.clear_request_tier()
    assert read(things.resource, "T-1").outcome is Outcome.ABSENT
    assert things.queries == [("T-1",)]
    assert things.pointer("T-1") == Absent()
    assert upstream.calls == []


def test_an_absence_ends_with_the_first_change(things: Things) -> None:
    read(things.resource, "T-1")
    things.change("T-1", "open")
    assert things.pointer("T-1") == Current("open", 1)
    assert read(things.resource, "T-1").outcome is Outcome.MISS


def test_an_absence_is_kept_briefly(things: Things, pass_time: Callable[[float], None]) -> None:
    read(things.resource, "T-1")
    things.write("T-1", "open")
    pass_time(11)
    assert read(things.resource, "T-1").outcome is Outcome.MISS


def test_a_stranger_sees_nothing_of_a_warm_entry(things: Things) -> None:
    things.warm("T-1")
    lookup = read(things.resource, "T-1", allowed=nobody)
    assert (lookup.outcome, lookup.entry) == (Outcome.DENIED, None)


def test_a_stranger_sees_nothing_of_a_warm_entry_that_the_ledger_had_to_name(
    things: Things,
) -> None:
    things.warm("T-1")
    pointer.suspend("thing", "T-1", 2)
    lookup = read(things.resource, "T-1", allowed=nobody)
    assert (lookup.outcome, lookup.entry) == (Outcome.DENIED, None)


@pytest.mark.parametrize("there", ["suspended", "current", "nothing"])
def test_a_stranger_never_costs_upstream_a_request(
    things: Things, upstream: Upstream, there: str
) -> None:
    things.change("T-1", "paid")
    if there == "suspended":
        pointer.suspend("thing", "T-1", 2)
    elif there == "nothing":
        cache.forget(keys.pointer_key("thing", "T-1"))
    lookup = read(things.resource, "T-1", allowed=nobody)
    assert (lookup.outcome, lookup.entry) == (Outcome.DENIED, None)
    assert upstream.calls == []


def test_the_owner_is_the_one_the_ledger_names(things: Things) -> None:
    things.warm("T-1")
    things.change("T-1", "paid", owner="7")
    assert read(things.resource, "T-1", allowed=own).outcome is Outcome.DENIED
    assert read(things.resource, "T-1", allowed=lambda owner: owner == "7").entry is not None


def test_content_that_upstream_says_is_somebody_elses_is_not_handed_out(
    things: Things, upstream: Upstream
) -> None:
    things.change("T-1", "paid")
    upstream.says("T-1", Loaded(b"{}", "paid", owner="7"))
    assert read(things.resource, "T-1", allowed=own).outcome is Outcome.DENIED
    assert read(things.resource, "T-1", allowed=lambda _: True).outcome is Outcome.MISS
