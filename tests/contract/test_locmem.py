"""LocMemCache keeps the contract, and Django's ways of counting and forgetting its entries."""

import threading
from typing import Any

import pytest
from django.core.cache.backends.base import CacheKeyWarning
from django.core.cache.backends.locmem import LocMemCache as DjangoLocMemCache

from coordinator.memcached import FOREIGN, LocMemCache
from tests.contract.bulk import BulkContract
from tests.contract.cas import CompareAndSetContract
from tests.contract.promises import DjangoContract
from tests.contract.values import ValuesContract


class TestLocMemCache(ValuesContract, BulkContract, CompareAndSetContract, DjangoContract):
    def build(self, **params: Any) -> LocMemCache:
        return LocMemCache(self.prefix, params)

    def plant_pickle(self, key: str, pickled: bytes) -> None:
        stock = DjangoLocMemCache(self.prefix, {"KEY_PREFIX": self.prefix})
        stock.set(key, 1)
        # Django's own class keeps the pickle itself.
        stock._cache[stock.make_key(key)] = pickled  # type: ignore[attr-defined]  # not in the stubs

    def test_what_djangos_own_class_stored_in_the_same_memory_is_foreign(self) -> None:
        DjangoLocMemCache(self.prefix, {"KEY_PREFIX": self.prefix}).set("key", {"a": 1})
        assert self.cache.get("key", "miss") == "miss"
        found = self.cache.get_with_token("key")
        assert found is not None
        assert found[0] is FOREIGN

    def test_the_oldest_entries_give_way_when_it_is_full(self) -> None:
        cache = self.build(OPTIONS={"MAX_ENTRIES": 30, "CULL_FREQUENCY": 3})
        for number in range(30):
            cache.set(f"key{number}", number)
        assert cache.get("key0") == 0  # used last, so it stays
        cache.set("more", 1)
        kept = cache.get_many([f"key{number}" for number in range(30)])
        assert len(kept) == 20
        assert "key0" in kept
        assert "key1" not in kept

    def test_a_full_cache_forgets_everything_if_it_may_not_cull(self) -> None:
        cache = self.build(OPTIONS={"MAX_ENTRIES": 10, "CULL_FREQUENCY": 0})
        for number in range(10):
            cache.add(f"key{number}", number)
        cache.add("more", 1)
        assert cache.get_many([f"key{number}" for number in range(10)]) == {}
        assert cache.get("more") == 1

    def test_compare_and_set_counts_towards_the_limit_as_set_does(self) -> None:
        cache = self.build(OPTIONS={"MAX_ENTRIES": 3})
        for number in range(3):
            cache.set(f"key{number}", number)
        found = cache.get_with_token("key2")
        assert found is not None
        assert cache.compare_and_set("key2", 9, found[1])
        assert cache.get("key2") == 9

    def test_names_are_apart_and_one_name_is_shared_by_all_threads(self) -> None:
        self.cache.set("key", 1)
        assert LocMemCache(f"{self.prefix}-other", {"KEY_PREFIX": self.prefix}).get("key") is None
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(self.build(KEY_PREFIX=self.prefix).get("key"))
        )
        thread.start()
        thread.join()
        assert seen == [1]

    @pytest.mark.parametrize("operation", ["compare_and_set", "compare_and_delete", "add", "incr"])
    def test_whoever_compares_and_changes_waits_for_its_turn(self, operation: str) -> None:
        self.cache.set("key", 1)
        found = self.cache.get_with_token("key")
        assert found is not None
        token = found[1]
        act = {
            "compare_and_set": lambda: self.cache.compare_and_set("key", 2, token),
            "compare_and_delete": lambda: self.cache.compare_and_delete("key", token),
            "add": lambda: self.cache.add("key", 2),
            "incr": lambda: self.cache.incr("key"),
        }[operation]
        thread = threading.Thread(target=act)
        assert isinstance(self.cache, LocMemCache)
        with self.cache._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join()

    def test_numbers_below_zero_count_too(self) -> None:
        self.cache.set("key", 1)
        assert self.cache.decr("key", 3) == -2
        assert self.cache.incr("key") == -1

    @pytest.mark.parametrize("key", ["with space", "new\nline", "x" * 251])
    def test_a_key_that_memcached_would_refuse_is_warned_of(self, key: str) -> None:
        with pytest.warns(CacheKeyWarning):
            self.cache.set(key, 1)
        with pytest.warns(CacheKeyWarning):
            assert self.cache.get(key) == 1
