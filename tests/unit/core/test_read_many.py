"""Reading several things: one multi-get for the warm ones, one load for each of the cold ones."""

import pytest

from coordinator.core import cache
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.read import Lookup, Outcome, read_many
from coordinator.core.resource import Loaded
from coordinator.errors import CoordinatorError
from tests.support.things import Things, nobody, own
from tests.support.upstream import Upstream


class UpstreamDown(CoordinatorError):
    """It does not answer."""


def outcomes(results: dict[str, Lookup | CoordinatorError]) -> dict[str, str]:
    return {
        name: one.outcome.value if isinstance(one, Lookup) else one.reason
        for name, one in results.items()
    }


def test_each_is_answered_by_itself_and_in_the_order_asked_for(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1")
    things.change("T-2", "open")
    things.change("T-3", "paid", owner="7")
    things.change("T-5", "paid")
    upstream.always_fails("T-5", UpstreamDown())
    results = read_many(things.resource, ["T-5", "T-1", "T-2", "T-3", "T-4", "T-1"], allowed=own)
    assert list(results) == ["T-5", "T-1", "T-2", "T-3", "T-4"]
    assert outcomes(results) == {
        "T-1": "hit",
        "T-2": "miss",
        "T-3": "denied",
        "T-4": "absent",
        "T-5": "upstream_down",
    }
    assert sorted(upstream.calls) == ["T-1", "T-2", "T-5"], "T-1 when it was warmed"


def test_a_stranger_sees_nothing_of_those_that_are_warm(things: Things) -> None:
    things.warm("T-1")
    things.warm("T-2", "open")
    results = read_many(things.resource, ["T-1", "T-2"], allowed=nobody)
    assert outcomes(results) == {"T-1": "denied", "T-2": "denied"}
    assert [getattr(one, "entry", None) for one in results.values()] == [None, None]


def test_the_warm_ones_ask_neither_upstream_nor_the_ledger(
    things: Things, upstream: Upstream
) -> None:
    names = [f"T-{number}" for number in range(20)]
    for name in names:
        things.warm(name, "open")
    upstream.calls.clear()
    assert set(outcomes(read_many(things.resource, names)).values()) == {"hit"}
    assert (upstream.calls, things.queries) == ([], [])


def test_the_cold_ones_cost_one_query_and_one_load_each(things: Things, upstream: Upstream) -> None:
    names = [f"T-{number}" for number in range(40)]
    for name in names:
        things.write(name, "open")
    results = read_many(things.resource, names)
    assert set(outcomes(results).values()) == {"miss"}
    assert things.queries == [tuple(names)]
    assert sorted(upstream.calls) == sorted(names)
    cache.clear_request_tier()
    assert set(outcomes(read_many(things.resource, names)).values()) == {"hit"}


def test_the_cold_ones_come_in_bulk_where_upstream_can(upstream: Upstream) -> None:
    things = Things(upstream, bulk=True)
    names = [f"T-{number}" for number in range(40)]
    for name in names:
        things.write(name, "open")
    assert set(outcomes(read_many(things.resource, names)).values()) == {"miss"}
    assert [len(call) for call in upstream.bulk_calls] == [40]
    assert upstream.calls == []


def test_one_that_lags_is_answered_and_the_others_are_stored(
    things: Things, upstream: Upstream
) -> None:
    things.change("T-1", "paid")
    things.change("T-2", "paid")
    upstream.says("T-1", Loaded(b"past", "open", "42"))
    results = read_many(things.resource, ["T-1", "T-2"])
    stored = {name: one.stored for name, one in results.items() if isinstance(one, Lookup)}
    assert stored == {"T-1": False, "T-2": True}


def test_nothing_asked_for_is_nothing_answered(things: Things) -> None:
    assert read_many(things.resource, []) == {}


def test_an_identifier_that_can_be_none_is_refused(things: Things) -> None:
    with pytest.raises(InvalidIdentifier):
        read_many(things.resource, ["T-1", "T 2"])


def test_without_a_cache_all_still_answer(
    things: Things, upstream: Upstream, no_cache: None
) -> None:
    things.write("T-1", "paid")
    things.write("T-2", "open")
    results = read_many(things.resource, ["T-1", "T-2", "T-3"])
    assert outcomes(results) == {"T-1": "miss", "T-2": "miss", "T-3": "absent"}
    assert results["T-1"].outcome is Outcome.MISS  # type: ignore[union-attr]  # no error, as above
