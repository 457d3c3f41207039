"""Reading one thing: a hit if it is warm, a miss that leaves it warm if it is not."""

import pytest

from coordinator.core import cache, events
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded
from coordinator.errors import CoordinatorError
from tests.support.clocks import ManualClock
from tests.support.things import Things, nobody, own
from tests.support.upstream import OWNER, Upstream


class UpstreamDown(CoordinatorError):
    """It does not answer."""


# -- hit and miss ------------------------------------------------------------------------------


def test_a_cold_read_loads_and_leaves_a_warm_entry(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    first = read(things.resource, "T-1")
    assert (first.outcome, first.stored, first.collapsed) == (Outcome.MISS, True, False)
    assert first.entry is not None
    assert first.entry.payload == b'{"number":"T-1","state":"paid"}'
    assert first.entry_name == "thing.T-1.paid"
    second = read(things.resource, "T-1")
    assert (second.outcome, second.entry) == (Outcome.HIT, first.entry)
    assert upstream.calls == ["T-1"]


@pytest.mark.parametrize("state", ["paid", "open"], ids=["likely", "unlikely"])
def test_a_warm_read_asks_neither_upstream_nor_the_ledger(
    things: Things, upstream: Upstream, state: str
) -> None:
    things.warm("T-1", state)
    lookup = read(things.resource, "T-1", allowed=own)
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, False)
    assert things.queries == []
    assert upstream.calls == ["T-1"]


def test_the_state_that_was_is_never_answered_after_the_commit(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1", "open")
    things.change("T-1", "paid")
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.entry_name) == (Outcome.MISS, "thing.T-1.paid")


def test_a_state_entered_twice_is_not_answered_from_the_first_time(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1", "open")
    things.change("T-1", "paid")
    things.change("T-1", "open")
    lookup = read(things.resource, "T-1")
    assert lookup.outcome is Outcome.MISS
    assert lookup.entry is not None
    assert lookup.entry.revision == 3


def test_upstreams_error_reaches_whoever_reads_cold_and_nobody_who_reads_warm(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1")
    upstream.always_fails("T-1", UpstreamDown())
    assert read(things.resource, "T-1").outcome is Outcome.HIT
    things.change("T-1", "refunded")
    with pytest.raises(UpstreamDown):
        read(things.resource, "T-1")
    upstream.agrees("T-1")
    assert read(things.resource, "T-1").outcome is Outcome.MISS, "the lease was not given back"


def test_an_identifier_that_can_be_none_is_refused_before_anything_is_asked(
    things: Things, upstream: Upstream
) -> None:
    with pytest.raises(InvalidIdentifier):
        read(things.resource, "T-1__version:paid")
    assert things.queries == []


def test_a_lookup_is_neither_true_nor_false(things: Things) -> None:
    with pytest.raises(TypeError):
        bool(read(things.resource, "T-1"))


# -- entries that will not do ------------------------------------------------------------------


def test_a_damaged_entry_is_a_miss_that_is_told_and_mended(
    things: Things, upstream: Upstream, told: list[events.CoreEvent]
) -> None:
    things.warm("T-1")
    cache.put(things.key("T-1", "paid").cache_key, b"damaged", 60)
    assert read(things.resource, "T-1").outcome is Outcome.MISS
    refused = [e.reason for e in told if isinstance(e, events.EntryRefused)]
    assert set(refused) == {"damaged"}
    cache.clear_request_tier()
    assert read(things.resource, "T-1").outcome is Outcome.HIT


def test_an_entry_past_its_own_expiry_is_a_miss(things: Things, manual_clock: ManualClock) -> None:
    things.warm("T-1")
    manual_clock.moved += 1801
    assert read(things.resource, "T-1").outcome is Outcome.MISS


def test_two_releases_with_different_schemas_keep_their_own_entries(upstream: Upstream) -> None:
    old, new = Things(upstream, schema=1), Things(upstream, schema=2)
    new.rows = old.rows
    old.change("T-1", "paid")
    for _ in range(2):
        for release in (old, new):
            cache.clear_request_tier()
            lookup = read(release.resource, "T-1")
            assert lookup.entry is not None
            assert lookup.entry.schema == release.resource.schema
    assert upstream.calls == ["T-1", "T-1"], "one load for each release"


# -- upstream that lags ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lagging",
    [Loaded(b"past", "open", OWNER), Loaded(b"past", "paid", OWNER, version=4)],
    ids=["state", "version"],
)
def test_what_contradicts_the_ledger_is_answered_and_never_stored(
    things: Things, upstream: Upstream, lagging: Loaded
) -> None:
    things.change("T-1", "paid", version=5)
    upstream.says_once("T-1", lagging)
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.stored) == (Outcome.MISS, False)
    assert lookup.entry is not None
    assert lookup.entry.payload == b"past"
    assert read(things.resource, "T-1").stored, "the next one finds nothing stored, and loads"


# -- what is told ------------------------------------------------------------------------------


def test_every_read_is_told_with_its_outcome(things: Things, told: list[events.CoreEvent]) -> None:
    read(things.resource, "T-1")
    things.change("T-1", "paid")
    read(things.resource, "T-1")
    read(things.resource, "T-1")
    read(things.resource, "T-1", allowed=nobody)
    outcomes = [e.outcome for e in told if isinstance(e, events.EntryRead)]
    assert outcomes == ["absent", "miss", "hit", "denied"]


def test_a_reader_of_an_old_entry_asks_for_a_refresh_and_is_served(
    things: Things, manual_clock: ManualClock, told: list[events.CoreEvent]
) -> None:
    things.warm("T-1")
    lookup = read(things.resource, "T-1")
    assert not [e for e in told if isinstance(e, events.EntryDue)]
    assert lookup.entry is not None
    manual_clock.moved += lookup.entry.refresh_after - manual_clock.now()
    assert read(things.resource, "T-1").outcome is Outcome.HIT
    due = [e for e in told if isinstance(e, events.EntryDue)]
    assert due == [events.EntryDue("thing", "T-1", "paid", lookup.entry.loaded_at)]
