"""While reads bypass the cache: the ledger and upstream answer, and nothing is stored."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from coordinator.core import cache, switches
from coordinator.core.keys import InvalidIdentifier
from coordinator.core.read import Lookup, Outcome, read, read_many
from coordinator.core.resource import Loaded
from coordinator.errors import CoordinatorError
from tests.support.things import Things, nobody, own
from tests.support.upstream import Upstream


class UpstreamDown(CoordinatorError):
    """It does not answer."""


@pytest.fixture(autouse=True)
def bypass(settings: Settings) -> Iterator[None]:
    """Throw the switch, and have this process see it at once."""
    settings.COORDINATOR_READS = "bypass"
    switches.forget()
    yield
    switches.forget()


def test_every_read_asks_upstream_and_stores_nothing(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    for _ in range(2):
        lookup = read(things.resource, "T-1", allowed=own)
        assert (lookup.outcome, lookup.stored, lookup.from_ledger) == (Outcome.MISS, False, True)
        assert lookup.entry is not None
        assert lookup.entry.payload == b'{"number":"T-1","state":"paid"}'
    assert upstream.calls == ["T-1", "T-1"]
    assert cache.get_entries([things.key("T-1", "paid").cache_key]).found == {}


def test_a_stranger_still_costs_upstream_nothing(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    assert read(things.resource, "T-1", allowed=nobody).outcome is Outcome.DENIED
    assert read(things.resource, "T-2", allowed=nobody).outcome is Outcome.ABSENT
    assert upstream.calls == []


def test_content_that_upstream_says_is_somebody_elses_is_not_handed_out(
    things: Things, upstream: Upstream
) -> None:
    things.change("T-1", "paid")
    upstream.says("T-1", Loaded(b"{}", "paid", owner="7"))
    assert read(things.resource, "T-1", allowed=own).outcome is Outcome.DENIED


def test_upstreams_error_reaches_the_reader(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    upstream.always_fails("T-1", UpstreamDown())
    with pytest.raises(UpstreamDown):
        read(things.resource, "T-1")


def test_reading_many_bypasses_it_too(things: Things, upstream: Upstream) -> None:
    for name in ("T-1", "T-2", "T-3"):
        things.change(name, "paid")
    upstream.always_fails("T-2", UpstreamDown())
    results = read_many(things.resource, ["T-3", "T-2", "T-1", "T-4"])
    outcomes = {n: r.outcome if isinstance(r, Lookup) else r.reason for n, r in results.items()}
    assert list(outcomes.items()) == [
        ("T-3", Outcome.MISS),
        ("T-2", "upstream_down"),
        ("T-1", Outcome.MISS),
        ("T-4", Outcome.ABSENT),
    ]
    keys = [things.key(name, "paid").cache_key for name in things.rows]
    assert cache.get_entries(keys).found == {}


@pytest.mark.parametrize("published", [b"", b"null", b'{"reads":"\xff"}', b"[" * 100_000])
def test_what_is_no_switch_leaves_what_the_settings_say(
    things: Things, upstream: Upstream, published: bytes
) -> None:
    cache.put("switches", published, 60)
    switches.forget()
    things.change("T-1", "paid")
    assert not read(things.resource, "T-1").stored


def test_an_identifier_that_can_be_none_is_refused(things: Things) -> None:
    with pytest.raises(InvalidIdentifier):
        read(things.resource, "T 1")
