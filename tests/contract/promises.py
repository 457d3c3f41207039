"""What Django promises of every cache backend."""

import asyncio
import time
from contextvars import ContextVar

import pytest

from coordinator.memcached import LocMemCache, PyMemcacheCache
from tests.contract.backend import Backend

#: Whose turn it is, as a host's middleware would say it.
tenant: ContextVar[str] = ContextVar("tenant", default="a")

MONTH_SECONDS = 30 * 24 * 60 * 60


def reversed_key(key: str, key_prefix: str, version: int) -> str:
    return f"{key_prefix}-{version}-{key[::-1]}"


def key_of_the_tenant(key: str, key_prefix: str, version: int) -> str:
    return f"{key_prefix}:{tenant.get()}:{version}:{key}"


class Site(str):
    """A prefix, or a key, that is another one as soon as another site is served."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{super().__str__()}-{tenant.get()}"

    def __format__(self, spec: str) -> str:
        return str(self)


def unchanged_key(key: str, key_prefix: str, version: int) -> str:
    return key


class DjangoContract(Backend):
    # -- one key -----------------------------------------------------------------------------------

    def test_a_missing_key_gives_the_default(self) -> None:
        assert self.cache.get("key") is None
        assert self.cache.get("key", "default") == "default"

    def test_a_stored_none_is_not_a_miss(self) -> None:
        self.cache.set("key", None)
        assert self.cache.get("key", "default") is None
        assert self.cache.has_key("key")
        assert self.cache.get_many(["key"]) == {"key": None}

    def test_add_stores_only_where_nothing_is(self) -> None:
        assert self.cache.add("key", 1) is True
        assert self.cache.add("key", 2) is False
        assert self.cache.get("key") == 1

    def test_set_replaces_and_says_that_it_stored(self) -> None:
        assert self.cache.set("key", 1) is True
        assert self.cache.set("key", "two") is True
        assert self.cache.get("key") == "two"

    def test_delete_says_whether_something_was_there(self) -> None:
        self.cache.set("key", 1)
        assert self.cache.delete("key") is True
        assert self.cache.delete("key") is False
        assert self.cache.get("key") is None

    def test_has_key_and_in_find_what_is_there(self) -> None:
        self.cache.set("key", 0)
        assert self.cache.has_key("key") is True
        assert "key" in self.cache
        assert self.cache.has_key("other") is False
        assert "other" not in self.cache

    def test_get_or_set_stores_the_default_once(self) -> None:
        assert self.cache.get_or_set("key", "one") == "one"
        assert self.cache.get_or_set("key", "two") == "one"

    def test_get_or_set_calls_a_callable_only_on_a_miss(self) -> None:
        calls = []

        def compute() -> str:
            calls.append(1)
            return "computed"

        assert self.cache.get_or_set("key", compute) == "computed"
        assert self.cache.get_or_set("key", compute) == "computed"
        assert len(calls) == 1

    def test_get_or_set_keeps_none_and_its_timeout_and_version(self) -> None:
        assert self.cache.get_or_set("none", None) is None
        assert self.cache.get("none", "default") is None
        assert self.cache.get_or_set("gone", "value", 0) == "value"
        assert self.cache.get("gone") is None
        assert self.cache.get_or_set("key", "two", version=2) == "two"
        assert self.cache.get("key") is None

    # -- numbers -----------------------------------------------------------------------------------

    def test_incr_and_decr_count(self) -> None:
        self.cache.set("key", 41)
        assert self.cache.incr("key") == 42
        assert self.cache.incr("key", 10) == 52
        assert self.cache.incr("key", -10) == 42
        assert self.cache.decr("key") == 41
        assert self.cache.decr("key", 40) == 1
        assert self.cache.decr("key", -9) == 10
        assert self.cache.get("key") == 10
        assert type(self.cache.get("key")) is int

    def test_a_number_that_lost_a_digit_is_still_a_number(self) -> None:
        self.cache.set("key", 10)
        assert self.cache.decr("key") == 9
        assert self.cache.get("key") == 9

    def test_counting_what_is_missing_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="missing"):
            self.cache.incr("missing")
        with pytest.raises(ValueError, match="missing"):
            self.cache.decr("missing")
        assert self.cache.get("missing") is None

    @pytest.mark.parametrize("value", ["text", b"bytes", True, None, [1], 1.5])
    def test_counting_what_is_no_integer_is_a_value_error(self, value: object) -> None:
        self.cache.set("key", value)
        with pytest.raises(ValueError, match="key"):
            self.cache.incr("key")
        assert self.cache.get("key") == value

    def test_counting_keeps_the_version(self) -> None:
        self.cache.set("key", 1, version=2)
        assert self.cache.incr("key", version=2) == 2
        with pytest.raises(ValueError, match="key"):
            self.cache.incr("key")

    # -- many keys ---------------------------------------------------------------------------------

    def test_get_many_gives_what_is_there(self) -> None:
        for name in "abcd":
            self.cache.set(name, name)
        assert self.cache.get_many(["a", "c", "missing"]) == {"a": "a", "c": "c"}
        assert self.cache.get_many(iter(["a", "b"])) == {"a": "a", "b": "b"}
        assert self.cache.get_many([]) == {}
        assert self.cache.get_many(["missing"]) == {}

    def test_set_many_stores_all_and_names_no_failures(self) -> None:
        data = {f"key{number}": number for number in range(200)}
        assert self.cache.set_many(data) == []
        assert self.cache.get_many(data) == data
        assert self.cache.set_many({}) == []

    def test_many_operations_take_more_keys_than_fit_into_one_batch(self) -> None:
        data = {f"key{number}": b"v" * 20 for number in range(5_000)}
        cache = self.build(KEY_PREFIX=self.prefix, OPTIONS={"MAX_ENTRIES": 10_000})
        assert cache.set_many(data) == []
        assert cache.get_many(data) == data
        cache.delete_many(data)
        assert cache.get_many(data) == {}

    def test_delete_many_deletes_what_is_there(self) -> None:
        self.cache.set_many({"a": 1, "b": 2, "c": 3})
        self.cache.delete_many(["a", "b", "missing"])
        assert self.cache.get_many(["a", "b", "c"]) == {"c": 3}
        self.cache.delete_many([])

    def test_many_operations_take_a_timeout_and_a_version(self) -> None:
        assert self.cache.set_many({"a": 1, "b": 2}, 0) == []
        assert self.cache.get_many(["a", "b"]) == {}
        self.cache.set_many({"a": 1, "b": 2}, version=2)
        assert self.cache.get_many(["a", "b"]) == {}
        assert self.cache.get_many(["a", "b"], version=2) == {"a": 1, "b": 2}
        self.cache.delete_many(["a"], version=2)
        assert self.cache.get_many(["a", "b"], version=2) == {"b": 2}

    # -- timeouts ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("timeout", [0, -1, -1000])
    def test_no_time_to_live_means_gone_at_once(self, timeout: int) -> None:
        self.cache.set("key", 1, 300)
        self.cache.set("key", 2, timeout)
        assert self.cache.get("key", "gone") == "gone"
        assert not self.cache.has_key("key")
        assert self.cache.add("key", 3)

    @pytest.mark.parametrize("timeout", [None, MONTH_SECONDS + 100, 10 * MONTH_SECONDS, 90.7])
    def test_a_long_timeout_keeps_the_value(self, timeout: float | None) -> None:
        assert self.cache.set("set", 1, timeout)
        assert self.cache.add("add", 2, timeout)
        assert self.cache.set_many({"many": 3}, timeout) == []
        self.cache.set("touched", 4, 1)
        assert self.cache.touch("touched", timeout)
        assert self.cache.get_many(["set", "add", "many", "touched"]) == {
            "set": 1,
            "add": 2,
            "many": 3,
            "touched": 4,
        }

    def test_the_default_timeout_comes_from_the_settings(self) -> None:
        cache = self.build(KEY_PREFIX=self.prefix, TIMEOUT=0)
        cache.set("key", 1)
        assert cache.get("key") is None
        cache.set("key", 1, 100)
        assert cache.get("key") == 1

    def test_values_expire_and_touch_prolongs(self) -> None:
        self.cache.set_many({"short": 1, "touched": 2}, 1)
        self.cache.set("counted", 1, 1)
        self.cache.incr("counted")
        assert self.cache.touch("touched", 100)
        # Both backends count real seconds, and memcached whole ones.
        time.sleep(2.1)
        assert self.cache.get_many(["short", "touched", "counted"]) == {"touched": 2}
        assert self.cache.add("short", 3)

    def test_touch_says_whether_something_was_there(self) -> None:
        assert self.cache.touch("key") is False
        self.cache.set("key", 1)
        assert self.cache.touch("key") is True
        assert self.cache.touch("key", 0) is True
        assert self.cache.get("key") is None

    # -- versions, prefixes, keys ------------------------------------------------------------------

    def test_versions_are_apart(self) -> None:
        self.cache.set("key", 1)
        assert self.cache.get("key", version=2) is None
        self.cache.set("key", 2, version=2)
        assert self.cache.get("key") == 1
        assert self.cache.get("key", version=2) == 2
        second = self.build(KEY_PREFIX=self.prefix, VERSION=2)
        assert second.get("key") == 2
        assert second.get("key", version=1) == 1
        second.delete("key")
        assert self.cache.get("key") == 1

    def test_a_key_function_may_look_at_the_context(self) -> None:
        path = f"{key_of_the_tenant.__module__}.key_of_the_tenant"
        self.two_tenants(self.build(KEY_PREFIX=self.prefix, KEY_FUNCTION=path), "key")

    def test_a_prefix_and_a_key_may_look_at_the_context(self) -> None:
        self.two_tenants(self.build(KEY_PREFIX=Site(self.prefix)), "key")
        self.two_tenants(self.cache, Site("site"))

    def two_tenants(self, cache: LocMemCache | PyMemcacheCache, key: str) -> None:
        cache.set(key, "of a")
        found = cache.get_with_token(key)
        assert found is not None
        token = tenant.set("b")
        try:
            assert cache.get(key) is None
            assert cache.get_many([key]) == {}
            assert cache.get_with_token(key) is None
            assert not cache.delete(key)
            assert cache.add(key, "of b")
            assert cache.get(key) == "of b"
        finally:
            tenant.reset(token)
        assert cache.get(key) == "of a"

    def test_what_is_equal_and_written_differently_is_another_key(self) -> None:
        for number, (key, version) in enumerate(
            [(1, 1), (True, 1), (1.0, 1), ("k", 1), ("k", True)]
        ):
            assert self.cache.get(key, version=version) is None  # type: ignore[arg-type]  # as hosts do
            self.cache.set(key, number, version=version)  # type: ignore[arg-type]  # as hosts do

    def test_a_prefix_and_a_version_that_are_changed_hold_from_then_on(self) -> None:
        cache = self.build(KEY_PREFIX=self.prefix)
        cache.set("key", 1)
        cache.version = 2
        assert cache.get("key") is None
        cache.version, cache.key_prefix = 1, f"{self.prefix}-other"
        assert cache.get("key") is None

    def test_incr_version_and_decr_version_move_the_value(self) -> None:
        self.cache.set("key", "value")
        assert self.cache.incr_version("key") == 2
        assert self.cache.get("key") is None
        assert self.cache.get("key", version=2) == "value"
        assert self.cache.decr_version("key", version=2) == 1
        assert self.cache.get("key") == "value"
        with pytest.raises(ValueError, match="missing"):
            self.cache.incr_version("missing")
        with pytest.raises(ValueError, match="missing"):
            self.cache.decr_version("missing")

    def test_prefixes_are_apart(self) -> None:
        other = self.build(KEY_PREFIX=f"{self.prefix}-other")
        self.cache.set("key", 1)
        assert other.get("key") is None
        assert other.add("key", 2)
        assert self.cache.get("key") == 1

    def test_the_key_function_of_the_settings_makes_the_keys(self) -> None:
        path = f"{reversed_key.__module__}.reversed_key"
        cache = self.build(KEY_PREFIX=self.prefix, KEY_FUNCTION=path)
        cache.set("abc", 1)
        plain = self.build(KEY_FUNCTION=f"{unchanged_key.__module__}.unchanged_key")
        assert plain.get(f"{self.prefix}-1-cba") == 1
        assert cache.get_many(["abc"]) == {"abc": 1}

    def test_keys_may_have_any_letters(self) -> None:
        for key in ("ключ", "鍵" * 20, "a:b.c/d?e=f&g%20", "é\u0301"):
            self.cache.set(key, key)
            assert self.cache.get(key) == key
            assert self.cache.get_many([key]) == {key: key}
            assert self.cache.delete(key)

    # -- the whole cache ---------------------------------------------------------------------------

    def test_clear_empties_the_cache(self) -> None:
        self.cache.set_many({f"key{number}": 1 for number in range(30)})
        self.cache.clear()
        assert self.cache.get_many([f"key{number}" for number in range(30)]) == {}

    def test_the_cache_works_on_after_close(self) -> None:
        self.cache.set("key", 1)
        self.cache.close()
        assert self.cache.get("key") == 1
        self.cache.close(sender=self)

    def test_the_async_variants_do_the_same(self) -> None:
        async def use() -> None:
            assert await self.cache.aadd("key", 1)
            assert await self.cache.aget("key") == 1
            await self.cache.aset("key", 5)
            assert await self.cache.aincr("key", 2) == 7
            assert await self.cache.adecr("key") == 6
            assert await self.cache.atouch("key", 100)
            assert await self.cache.ahas_key("key")
            assert await self.cache.aget_or_set("other", lambda: "computed") == "computed"
            await self.cache.aset_many({"a": 1, "b": 2})
            assert await self.cache.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
            assert await self.cache.aincr_version("a") == 2
            await self.cache.adelete_many(["b"])
            assert await self.cache.adelete("key")
            await self.cache.aclear()
            assert await self.cache.aget("other") is None
            await self.cache.aclose()

        asyncio.run(use())
