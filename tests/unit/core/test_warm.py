"""Warming: the entry is in the shared cache, and the pointer says so, before anyone asks."""

from collections.abc import Mapping

import pytest

from coordinator.core import cache, events, keys, lease, pointer
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import Warmed, WarmOutcome
from coordinator.core.pointer import Confirmation, Current, Suspended
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded
from coordinator.core.warm import confirm, keep_warm, warm
from coordinator.errors import CoordinatorError
from tests.support.things import Things
from tests.support.threads import Running
from tests.support.upstream import Upstream


class UpstreamDown(CoordinatorError):
    """It does not answer."""


def warm_one(things: Things, identifier: str = "T-1") -> Warmed:
    return warm(things.resource, identifier)


def test_what_was_warmed_is_a_hit_for_the_first_reader(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    warmed = warm_one(things)
    assert (warmed.outcome, warmed.warm) == (WarmOutcome.WARMED, True)
    cache.clear_request_tier()
    lookup = read(things.resource, "T-1")
    assert (lookup.outcome, lookup.from_ledger) == (Outcome.HIT, False)
    assert upstream.calls == ["T-1"]


def test_warming_twice_loads_once(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    warm_one(things)
    again = warm_one(things)
    assert (again.outcome, again.warm) == (WarmOutcome.ALREADY, True)
    assert upstream.calls == ["T-1"]


def test_an_entry_that_only_the_request_tier_has_is_not_warm(
    things: Things, upstream: Upstream
) -> None:
    things.warm("T-1", "paid")
    key = things.key("T-1", "paid").cache_key
    read(things.resource, "T-1")
    cache.clear(key)
    assert warm_one(things).outcome is WarmOutcome.WARMED
    assert upstream.calls == ["T-1", "T-1"]


def test_an_entry_of_an_older_revision_is_loaded_anew(things: Things, upstream: Upstream) -> None:
    things.warm("T-1", "paid")
    things.change("T-1", "paid")
    warmed = warm_one(things)
    assert warmed.outcome is WarmOutcome.WARMED
    assert warmed.entry is not None
    assert warmed.entry.revision == 2


def test_one_that_is_there_but_will_not_do_is_loaded_anew(
    things: Things, upstream: Upstream
) -> None:
    there = things.warm("T-1", "paid")

    def loaded_since(entry: CacheEntry) -> bool:
        return entry.loaded_at > there.loaded_at

    warmed = warm(things.resource, "T-1", fresh=loaded_since)
    assert warmed.outcome is WarmOutcome.WARMED
    again = warm(things.resource, "T-1", fresh=loaded_since)
    assert again.outcome is WarmOutcome.ALREADY


def test_warming_after_a_crashed_writer_advances_the_pointer(things: Things) -> None:
    pointer.suspend("thing", "T-1", 1)
    things.write("T-1", "paid")
    warm_one(things)
    assert things.pointer("T-1") == Current("paid", 1)


def test_warming_never_fills_an_absent_pointer(things: Things) -> None:
    things.write("T-1", "paid")
    assert warm_one(things).outcome is WarmOutcome.WARMED
    assert things.pointer("T-1") is None


def test_a_change_in_the_middle_of_a_load_keeps_its_suspension(
    things: Things, upstream: Upstream
) -> None:
    things.change("T-1", "open")
    upstream.does_first("T-1", lambda: pointer.suspend("thing", "T-1", 2))
    assert warm_one(things).outcome is WarmOutcome.WARMED
    assert things.pointer("T-1") == Suspended(2)


def test_what_the_ledger_does_not_know_is_unknown(things: Things, upstream: Upstream) -> None:
    assert warm_one(things).outcome is WarmOutcome.UNKNOWN
    assert upstream.calls == []


def test_a_failure_is_brought_back_and_not_raised(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    error = UpstreamDown()
    upstream.fails_once("T-1", error)
    warmed = warm_one(things)
    assert (warmed.outcome, warmed.error, warmed.warm) == (WarmOutcome.FAILED, error, False)
    assert warm_one(things).outcome is WarmOutcome.WARMED


def test_what_lags_is_brought_back_and_not_stored(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    lagging = Loaded(b"past", "open", "42")
    upstream.says_once("T-1", lagging)
    warmed = warm_one(things)
    assert (warmed.outcome, warmed.loaded, warmed.warm) == (WarmOutcome.LAGGED, lagging, False)
    assert warm_one(things).outcome is WarmOutcome.WARMED


def test_what_somebody_else_is_loading_is_left_to_them(things: Things, upstream: Upstream) -> None:
    things.change("T-1", "paid")
    held = upstream.holds_back("T-1")
    first = Running(lambda: warm_one(things))
    held.await_begin()
    assert warm_one(things).outcome is WarmOutcome.BUSY
    held.let_go()
    first.result()
    assert upstream.calls == ["T-1"]


def test_what_was_stored_while_the_lease_was_being_taken_is_not_loaded_again(
    things: Things, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    things.change("T-1", "paid")
    plain, calls = lease.acquire_many, []

    def acquire_many(resource: str, revisions: Mapping[str, int], schema: int) -> object:
        calls.append(revisions)
        if len(calls) == 1:
            # Between our look and our lease somebody else loads, stores, and gives it back.
            read(things.resource, "T-1")
        return plain(resource, revisions, schema)

    monkeypatch.setattr(lease, "acquire_many", acquire_many)
    warmed = warm_one(things)
    assert warmed.warm
    assert len(calls) == 2
    assert upstream.calls == ["T-1"]


def test_without_a_cache_nothing_is_loaded_since_it_could_not_be_kept(
    things: Things, upstream: Upstream, no_cache: None
) -> None:
    things.write("T-1", "paid")
    assert warm_one(things).outcome is WarmOutcome.CACHE_UNREACHABLE
    assert upstream.calls == []


def test_each_of_many_ends_in_its_own_way(things: Things, upstream: Upstream) -> None:
    things.warm("T-1")
    for name in ("T-2", "T-3", "T-4"):
        things.change(name, "paid")
    upstream.always_fails("T-3", UpstreamDown())
    upstream.says("T-4", Loaded(b"past", "open", "42"))
    warmed = keep_warm(things.resource, dict(things.rows), cause="beat")
    assert {name: one.outcome for name, one in warmed.items()} == {
        "T-1": WarmOutcome.ALREADY,
        "T-2": WarmOutcome.WARMED,
        "T-3": WarmOutcome.FAILED,
        "T-4": WarmOutcome.LAGGED,
    }


def test_warming_is_told_with_its_cause(things: Things, told: list[events.CoreEvent]) -> None:
    things.change("T-1", "paid")
    warm(things.resource, "T-1", cause="backfill")
    [event] = [e for e in told if isinstance(e, events.EntryWarmed)]
    assert event == events.EntryWarmed("thing", "thing.T-1.paid", 1, "backfill", stored=True)


# -- confirming --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "confirmation", "after"),
    [
        (Current("paid", 2), Confirmation.ADVANCED, Current("paid", 2)),
        (Current("open", 3), Confirmation.NEWER, Current("open", 3)),
        (Current("open", 1), Confirmation.ADVANCED, Current("paid", 2)),
        (Suspended(2), Confirmation.ADVANCED, Current("paid", 2)),
        (Suspended(3), Confirmation.NEWER, Suspended(3)),
        (None, Confirmation.NOTHING_THERE, None),
    ],
)
def test_confirming_says_what_was_found_and_advances_what_is_behind(
    things: Things,
    there: pointer.Pointer | None,
    confirmation: Confirmation,
    after: pointer.Pointer | None,
) -> None:
    things.write("T-1", "open")
    things.write("T-1", "paid")
    if there is not None:
        key = keys.pointer_key("thing", "T-1")
        cache.put(key, pointer.encode(there, key), 60)
    assert confirm(things.resource, dict(things.rows)) == {"T-1": confirmation}
    assert things.pointer("T-1") == after


def test_confirming_puts_a_damaged_pointer_right(things: Things) -> None:
    things.write("T-1", "paid")
    cache.put(keys.pointer_key("thing", "T-1"), b"damaged", 60)
    confirmed = confirm(things.resource, dict(things.rows))
    assert confirmed == {"T-1": Confirmation.ADVANCED}
    assert things.pointer("T-1") == Current("paid", 1)


def test_confirming_says_when_the_cache_is_unreachable(things: Things, no_cache: None) -> None:
    things.write("T-1", "paid")
    confirmed = confirm(things.resource, dict(things.rows))
    assert confirmed == {"T-1": Confirmation.UNREACHABLE}
