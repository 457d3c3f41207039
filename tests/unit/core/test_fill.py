"""The entry rule: newer replaces older, by compare-and-set, and never the other way round."""

import time
from collections.abc import Callable, Mapping

import msgspec
import pytest
from edx_django_utils.cache import DEFAULT_REQUEST_CACHE
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from coordinator.core import cache, entry, fill
from coordinator.core.cache import Tokened
from coordinator.core.entry import CacheEntry
from coordinator.core.fill import WarmOutcome
from coordinator.core.keys import EntryKey
from coordinator.core.load import Fetched
from coordinator.core.resource import Loaded
from tests.servers import MemcachedServer
from tests.support.things import Things
from tests.support.threads import at_once

KEY = EntryKey("thing", "T-1", "paid")


def made(revision: int, loaded_at: float = 0.0, payload: bytes = b"{}") -> CacheEntry:
    return CacheEntry(
        payload=payload,
        state="paid",
        revision=revision,
        loaded_at=loaded_at,
        load_seconds=0.1,
        refresh_after=1440.0,
        expires_at=1800.0,
        owner="42",
        schema=1,
        etag=entry.etag_of(payload),
    )


def store(new: CacheEntry) -> WarmOutcome:
    return fill.store(KEY, new, now=0.0)


def there() -> CacheEntry:
    found = cache.get_with_token(KEY.cache_key)
    assert found is not None
    return entry.decode(found.value, KEY)


def remembered() -> object:
    """Return what the request tier has, None without anything."""
    response = DEFAULT_REQUEST_CACHE.get_cached_response(KEY.cache_key)
    return response.value if response.is_found else None


def test_a_first_entry_is_stored_and_remembered() -> None:
    assert store(made(1)) is WarmOutcome.WARMED
    assert there() == made(1)
    assert remembered() == entry.encode(made(1), KEY)


@pytest.mark.parametrize(
    ("older", "newer"),
    [(made(1, 10.0), made(2, 5.0)), (made(2, 5.0), made(2, 6.0))],
    ids=["revision", "load"],
)
def test_newer_replaces_older_and_older_gives_way(older: CacheEntry, newer: CacheEntry) -> None:
    assert store(older) is WarmOutcome.WARMED
    assert store(newer) is WarmOutcome.WARMED
    assert store(older) is WarmOutcome.ALREADY
    assert there() == newer
    assert remembered() == entry.encode(newer, KEY)


def test_one_that_is_as_new_is_left_alone() -> None:
    store(made(1, payload=b"first"))
    assert store(made(1, payload=b"second")) is WarmOutcome.ALREADY
    assert there().payload == b"first"


@pytest.mark.parametrize(
    "bytes_there",
    [
        b"",
        b"somebody else's",
        entry.encode(made(9), KEY)[:-1],
        entry.encode(made(9), EntryKey("thing", "T-2", "paid")),
        entry.encode(msgspec.structs.replace(made(9), schema=2), KEY),
    ],
    ids=["empty", "foreign", "truncated", "moved", "schema"],
)
def test_what_no_reader_could_use_is_replaced(bytes_there: bytes) -> None:
    cache.put(KEY.cache_key, bytes_there, 60)
    assert store(made(1)) is WarmOutcome.WARMED
    assert there() == made(1)


def test_whoever_reads_before_a_newer_one_is_stored_cannot_put_the_older_one_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(made(1))
    plain, looks = cache.get_with_token, []

    def meanwhile(key: str) -> Tokened | None:
        found = plain(key)
        looks.append(key)
        if len(looks) == 1:
            # Between our look and our write somebody stores a newer one.
            assert fill.store(KEY, made(3), now=0.0) is WarmOutcome.WARMED
        return found

    monkeypatch.setattr(cache, "get_with_token", meanwhile)
    assert store(made(2)) is WarmOutcome.ALREADY
    assert there() == made(3)


@given(st.permutations(range(1, 7)))
def test_in_any_order_the_newest_remains(revisions: list[int]) -> None:
    cache.forget(KEY.cache_key)
    for revision in revisions:
        store(made(revision))
    assert there() == made(6)


def test_of_many_at_once_the_newest_remains() -> None:
    revisions = range(1, 13)
    results = at_once([lambda r=r: store(made(r)) for r in revisions])  # type: ignore[misc]  # bound early
    assert set(results) <= {WarmOutcome.WARMED, WarmOutcome.ALREADY}
    assert results[-1] is WarmOutcome.WARMED
    assert there() == made(12)


def test_an_unreachable_cache_is_a_result_and_nothing_is_remembered(no_cache: None) -> None:
    assert store(made(1)) is WarmOutcome.CACHE_UNREACHABLE
    assert remembered() is None


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another"])
def test_what_the_server_refuses_is_sent_once_more_and_not_again(
    memcached: MemcachedServer, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    sent: list[str] = []
    add, add_many = cache.add, cache.add_many

    def send(key: str, value: bytes, timeout_seconds: float) -> bool:
        sent.append(key)
        return add(key, value, timeout_seconds)

    def send_many(items: Mapping[str, tuple[bytes, float]]) -> Mapping[str, bool]:
        sent.extend(items)
        return add_many(items)

    monkeypatch.setattr(cache, "add", send)
    monkeypatch.setattr(cache, "add_many", send_many)
    too_large = made(1, payload=b"x" * 1_100_000)
    entries = {EntryKey("thing", f"T-{number}", "paid"): made(1) for number in range(2, others + 2)}

    results = fill.store_many({KEY: too_large, **entries}, now=0.0)

    assert results.pop(KEY) is WarmOutcome.UNSTORED
    assert set(results.values()) <= {WarmOutcome.WARMED}
    assert sent.count(KEY.cache_key) == 2
    assert remembered() is None


def test_what_was_in_its_way_and_ran_out_is_no_refusal(
    memcached: MemcachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(made(1))
    plain = cache.get_with_token
    looks: list[str] = []

    def just_gone(key: str) -> Tokened | None:
        if not looks:
            looks.append(key)
            cache.clear(key)
        return plain(key)

    monkeypatch.setattr(cache, "get_with_token", just_gone)
    assert store(made(1)) is WarmOutcome.WARMED


def test_losing_to_a_newer_one_does_not_remember_the_older() -> None:
    store(made(2))
    cache.clear_request_tier()
    store(made(1))
    assert remembered() is None


def test_an_entry_leaves_the_cache_when_it_expires(pass_time: Callable[[float], None]) -> None:
    store(made(1))
    pass_time(1799)
    there()
    pass_time(2)
    assert cache.get_with_token(KEY.cache_key) is None


def test_an_entry_that_took_too_long_to_load_is_not_kept_for_ever(
    pass_time: Callable[[float], None],
) -> None:
    fill.store(KEY, made(1), now=5000.0)
    pass_time(2)
    assert cache.get_with_token(KEY.cache_key) is None


def test_an_entry_says_what_was_known_when_its_load_began(things: Things) -> None:
    standing = things.write("T-1", "paid", owner="7")
    loaded = Loaded(b'{"a":1}', "paid", "7")
    began = time.time()
    built = fill.build(things.resource, standing, loaded, Fetched(loaded, began, 0.25))
    assert (built.state, built.revision, built.owner, built.schema) == ("paid", 1, "7", 1)
    assert (built.loaded_at, built.load_seconds) == (began, 0.25)
    assert built.etag == entry.etag_of(b'{"a":1}')


def test_jitter_only_shortens(things: Things, settings: Settings) -> None:
    settings.COORDINATOR_ENTRY_TIMEOUT_SECONDS = 1000
    settings.COORDINATOR_ENTRY_JITTER = 0.2
    settings.COORDINATOR_REFRESH_AFTER = 0.5
    standing, loaded = things.write("T-1", "paid"), Loaded(b"{}", "paid", "42")
    built = [
        fill.build(things.resource, standing, loaded, Fetched(loaded, 0.0, 0.1)) for _ in range(200)
    ]
    lifetimes = [one.expires_at for one in built]
    assert 800 <= min(lifetimes) < 850
    assert 950 < max(lifetimes) <= 1000
    assert all(one.refresh_after == pytest.approx(one.expires_at / 2) for one in built)
