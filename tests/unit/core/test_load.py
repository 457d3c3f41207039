"""Asking upstream: each answer, and each failure, stays with the one that it is about."""

import time

import pytest
from pytest_django import Settings

from coordinator import correlation
from coordinator.core import events, fill, keys, lease, load
from coordinator.core.fill import WarmOutcome
from coordinator.core.resource import Loaded, Standing
from coordinator.errors import CoordinatorError
from tests.support.things import Things
from tests.support.threads import Running
from tests.support.upstream import Upstream, agreeing


class UpstreamDown(CoordinatorError):
    """It does not answer."""


class UpstreamRejected(CoordinatorError):
    """It refuses what it was asked."""

    permanent = True


def reasons(things: Things) -> dict[str, str]:
    """Load everything that the ledger knows; return what went wrong with each, "" for nothing."""
    return {
        name: "" if isinstance(fetched.result, Loaded) else fetched.result.reason
        for name, fetched in load.fetch(things.resource, dict(things.rows), "event")
    }


@pytest.fixture(params=[False, True], ids=["one by one", "in bulk"])
def some_things(request: pytest.FixtureRequest, upstream: Upstream) -> Things:
    """Return five things, of an upstream that answers one by one, or in bulk."""
    things = Things(upstream, bulk=request.param)
    for number in range(5):
        things.write(f"T-{number}", "paid")
    return things


def test_every_one_is_answered(some_things: Things) -> None:
    assert reasons(some_things) == dict.fromkeys(some_things.rows, "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UpstreamRejected(), "upstream_rejected"),
        (ValueError("poison"), "load_failed"),
        (RecursionError(), "load_failed"),
    ],
)
def test_trouble_with_one_is_no_trouble_for_its_neighbours(
    some_things: Things, upstream: Upstream, error: Exception, reason: str
) -> None:
    upstream.always_fails("T-3", error)
    assert reasons(some_things) == dict.fromkeys(some_things.rows, "") | {"T-3": reason}


def test_trouble_of_upstreams_own_in_bulk_is_not_made_worse_by_asking_for_each(
    upstream: Upstream,
) -> None:
    things = Things(upstream, bulk=True)
    things.write("T-1", "paid")
    things.write("T-2", "paid")
    upstream.always_fails("T-2", UpstreamDown())
    assert set(reasons(things).values()) == {"upstream_down"}
    assert upstream.calls == []


def test_what_a_bulk_answer_leaves_out_is_asked_for_by_itself(upstream: Upstream) -> None:
    things = Things(upstream, bulk=True)
    for number in range(4):
        things.write(f"T-{number}", "paid")
    object.__setattr__(
        things.resource,
        "load_many",
        lambda wanted: {name: agreeing(name, wanted[name]) for name in list(wanted)[:2]},
    )
    assert reasons(things) == dict.fromkeys(things.rows, "")
    assert sorted(upstream.calls) == ["T-2", "T-3"]


def test_an_unforeseen_error_does_not_carry_what_it_quotes(
    things: Things, upstream: Upstream
) -> None:
    things.write("T-1", "paid")
    upstream.always_fails("T-1", ValueError("card 4242424242424242"))
    [(_, answer)] = load.fetch(things.resource, dict(things.rows), "read")
    assert isinstance(answer.result, CoordinatorError)
    assert "4242" not in str(answer.result)
    assert str(answer.result).endswith("ValueError")


def test_the_time_of_a_load_is_when_it_began(things: Things, upstream: Upstream) -> None:
    things.write("T-1", "paid")
    held = upstream.holds_back("T-1")
    answers: list[tuple[str, load.Fetched]] = []

    def load_all() -> None:
        answers.extend(load.fetch(things.resource, dict(things.rows), "read"))

    running = Running(load_all)
    held.await_begin()
    between = time.time()
    held.let_go()
    running.result()
    [(_, answer)] = answers
    assert answer.began <= between <= answer.began + answer.seconds + 0.001


def test_loads_on_other_threads_carry_the_callers_correlation_id(
    things: Things, upstream: Upstream
) -> None:
    seen = []
    for number in range(3):
        things.write(f"T-{number}", "paid")
        upstream.does_first(f"T-{number}", lambda: seen.append(correlation.current()))
    with correlation.bind("abc"):
        list(load.fetch(things.resource, dict(things.rows), "event"))
    assert seen == ["abc"] * 3


def test_each_load_is_told_with_its_cause(
    things: Things, upstream: Upstream, told: list[events.CoreEvent]
) -> None:
    things.write("T-1", "paid")
    upstream.fails_once("T-1", UpstreamDown())
    list(load.fetch(things.resource, dict(things.rows), "beat"))
    list(load.fetch(things.resource, dict(things.rows), "read"))
    finished = [(e.cause, e.error) for e in told if isinstance(e, events.LoadFinished)]
    assert finished == [("beat", "upstream_down"), ("read", "")]


def test_leases_are_taken_for_no_more_than_is_loaded_at_a_time(
    things: Things, upstream: Upstream, settings: Settings
) -> None:
    settings.COORDINATOR_LOAD_CONCURRENCY = 2
    names = [f"T-{number}" for number in range(5)]
    for name in names:
        things.write(name, "paid")
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(lease._flights))

    for name in names:
        upstream.does_first(name, count)
    filled = fill.fill(things.resource, dict(things.rows), "event")
    assert {one.outcome for one in filled.values()} == {WarmOutcome.WARMED}
    assert 1 <= most <= 2, "a lease was held for what no caller was loading yet"


def test_an_interrupted_fill_gives_every_lease_back(things: Things, upstream: Upstream) -> None:
    class Interrupted(BaseException):
        """Stands for a time limit, or a killed greenlet."""

    def interrupt(identifier: str, standing: Standing) -> Loaded:
        raise Interrupted

    things.write("T-1", "paid")
    object.__setattr__(things.resource, "load", interrupt)
    with pytest.raises(Interrupted):
        fill.fill(things.resource, dict(things.rows), "event")
    assert not lease._flights
    assert isinstance(lease.acquire("thing", "T-1", 1), lease.Lease)
    lease._flights.pop(keys.lease_key("thing", "T-1"))
