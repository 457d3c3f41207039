"""PyMemcacheCache keeps the contract on one memcached, and on a ring of three."""

import pickle
import zlib
from typing import Any

import pymemcache.serde
import pytest
from django.core.cache.backends.base import InvalidCacheKey
from django.core.cache.backends.memcached import PyMemcacheCache as DjangoPyMemcacheCache
from pymemcache.client.base import Client

from coordinator.memcached import FOREIGN, PyMemcacheCache, Trouble
from coordinator.memcached.serde import BYTES, INTEGER, JSON, TEXT
from tests.contract.bulk import BulkContract
from tests.contract.cas import CompareAndSetContract
from tests.contract.promises import DjangoContract
from tests.contract.values import Bomb, ValuesContract
from tests.servers import MemcachedServer
from tests.support.troubles import Troubles

# pymemcache's and python-memcached's: pickle, integer, long, compressed, text, and none at all.
FOREIGN_FLAGS = [0, 1, 2, 4, 8, 9, 16, 0xFFFF, 0xFFFFFFFF, BYTES + 1, BYTES + (100 << 16)]

#: What a stock client reads with; Django's own backend has the first.
STOCK_SERDES = [pymemcache.serde.pickle_serde, pymemcache.serde.compressed_serde]

DAMAGED = [
    (TEXT, b"\xff\xfe"),
    (TEXT, "ü".encode()[:1]),
    (INTEGER, b""),
    (INTEGER, b"1_000"),
    (INTEGER, b"+5"),
    (INTEGER, b" 5"),
    (INTEGER, b"0x10"),
    (INTEGER, "٣".encode()),
    (INTEGER, b"9" * 5000),
    (JSON, b""),
    (JSON, b'{"a": [1, 2'),
    (JSON, b"\xff"),
    (JSON, b"[" * 100_000),
]


class MemcachedContract(ValuesContract, BulkContract, CompareAndSetContract, DjangoContract):
    nodes: list[MemcachedServer]

    @pytest.fixture(autouse=True)
    def some_nodes(self, memcached_nodes: list[MemcachedServer], fresh_cache: None) -> None:
        """Only asks for them in time: `build` takes what it needs."""

    def build(self, **params: Any) -> PyMemcacheCache:
        return PyMemcacheCache(self.servers(), params)

    def servers(self) -> list[str]:
        nodes: list[MemcachedServer] = self.request.getfixturevalue("memcached_nodes")
        return [node.address for node in nodes]

    def plant(self, key: str, data: bytes, flags: int) -> None:
        """Store `data` with `flags` on every node, as a client that knows nothing of ours would."""
        for server in self.servers():
            client = Client(server, default_noreply=False)
            assert client.set(self.cache.make_key(key), data, expire=100, flags=flags)
            client.close()

    def plant_pickle(self, key: str, pickled: bytes) -> None:
        self.plant(key, pickled, flags=1)

    # -- values ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("flags", FOREIGN_FLAGS)
    def test_whatever_has_foreign_flags_is_a_miss(self, flags: int, troubles: Troubles) -> None:
        for data in (pickle.dumps(Bomb()), b"17", b'{"a": 1}', b""):
            self.plant("key", data, flags)
            assert self.cache.get("key", "miss") == "miss"
        assert [trouble for _, _, trouble in troubles] == [Trouble.FOREIGN] * 4

    @pytest.mark.parametrize(("flags", "data"), DAMAGED)
    def test_damaged_bytes_are_a_miss(self, flags: int, data: bytes, troubles: Troubles) -> None:
        self.plant("key", data, flags)
        assert self.cache.get("key", "miss") == "miss"
        assert self.cache.get_many(["key"]) == {}
        found = self.cache.get_with_token("key")
        assert found is not None
        assert found[0] is FOREIGN
        assert [trouble for _, _, trouble in troubles] == [Trouble.FOREIGN] * 3

    @pytest.mark.parametrize("value", [b"bytes", "text", 17, [1], {"a": Bomb}, True])
    def test_what_djangos_own_backend_stored_is_a_miss(self, value: object) -> None:
        # On each node by itself: Django's ring would choose another than ours.
        for server in self.servers():
            stock = DjangoPyMemcacheCache(server, {"KEY_PREFIX": self.prefix})
            stock.set("key", value)
            assert stock.get("key") == value
            stock.close()
        assert self.cache.get("key", "miss") == "miss"

    @pytest.mark.parametrize("serde", STOCK_SERDES, ids=lambda serde: type(serde).__name__)
    def test_a_stock_client_reads_our_bytes_and_executes_none_of_them(self, serde: object) -> None:
        values = {
            "bytes": pickle.dumps(Bomb()),
            "deflated": zlib.compress(b"text"),
            "text": "ü",
            "integer": 17,
            "list": [1, "ü"],
            "none": None,
            "true": True,
        }
        self.cache.set_many(values)
        made = {self.cache.make_key(key): key for key in values}
        read = {}
        for server in self.servers():
            client = Client(server, serde=serde)
            read.update(client.get_many(made))
            client.close()
        assert {made[key]: value for key, value in read.items()} == {
            "bytes": pickle.dumps(Bomb()),
            "deflated": zlib.compress(b"text"),
            "text": "ü".encode(),
            "integer": b"17",
            "list": b'[1,"\\u00fc"]',
            "none": b"null",
            "true": b"true",
        }

    def test_djangos_own_backend_reads_our_bytes_and_executes_none_of_them(self) -> None:
        self.cache.set_many({"bomb": pickle.dumps(Bomb()), "text": "ü"})
        read = {}
        for server in self.servers():
            stock = DjangoPyMemcacheCache(server, {"KEY_PREFIX": self.prefix})
            read.update(stock.get_many(["bomb", "text"]))
            stock.close()
        assert read == {"bomb": pickle.dumps(Bomb()), "text": "ü".encode()}

    def test_bytes_are_stored_as_they_are_under_djangos_key(self) -> None:
        self.cache.set("key", b"\x00payload", 100)
        made = self.cache.make_key("key")
        assert made == f"{self.prefix}:1:key"
        held = []
        for server in self.servers():
            client = Client(server)
            held.append(client.get(made))
            client.close()
        assert held.count(b"\x00payload") == 1

    def test_a_value_over_the_item_limit_is_reported_as_not_stored(
        self, troubles: Troubles
    ) -> None:
        large = b"x" * 2_000_000
        self.cache.set("key", b"old")
        assert self.cache.set("key", large) is False
        assert self.cache.get("key") is None, "a refused value must not leave the old one"
        assert self.cache.set_or_raise("key", large) is False
        assert self.cache.add("key", large) is False
        assert self.cache.add_or_raise("key", large) is False
        self.cache.set("key", b"old")
        found = self.cache.get_with_token("key")
        assert found is not None
        assert self.cache.compare_and_set("key", large, found[1]) is False
        assert {trouble for _, _, trouble in troubles} == {Trouble.REFUSED}
        assert self.cache.set("key", b"new")

    def test_a_refused_value_hides_none_of_those_stored_with_it(self) -> None:
        large = b"x" * 2_000_000
        data = {f"key{number}": b"v" for number in range(50)}
        self.cache.set("big1", b"old")
        assert sorted(self.cache.set_many({"big1": large, **data, "big2": large})) == [
            "big1",
            "big2",
        ]
        assert self.cache.get_many([*data, "big1", "big2"]) == data

    def test_a_refused_value_hides_none_of_those_added_with_it(self, troubles: Troubles) -> None:
        large = b"x" * 2_000_000
        small: dict[str, tuple[bytes, float]] = {
            f"key{number}": (b"v", 300) for number in range(50)
        }
        self.cache.set("there", b"old")
        added = self.cache.add_many_or_raise(
            {"big1": (large, 300), **small, "big2": (large, 300), "there": (large, 300)}
        )
        assert added == {"big1": False, **dict.fromkeys(small, True), "big2": False, "there": False}
        assert {trouble for _, _, trouble in troubles} == {Trouble.REFUSED}
        there = self.cache.get_many([*added])
        assert {key for key in there if key in small} == set(small)
        assert "big1" not in there
        assert "big2" not in there

    def test_a_value_far_over_the_item_limit_is_no_dead_node(self, troubles: Troubles) -> None:
        assert self.cache.set("key", b"x" * 50_000_000) is False
        assert [trouble for _, _, trouble in troubles] == [Trouble.REFUSED]
        assert self.cache.set("key", b"small") is True

    # -- keys --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("key", ["with space", "new\nline", "tab\t", "\x00", "\x7f", "x" * 250])
    def test_a_key_that_memcached_would_misunderstand_is_refused(self, key: str) -> None:
        for use in (
            lambda: self.cache.get(key),
            lambda: self.cache.set(key, 1),
            lambda: self.cache.add(key, 1),
            lambda: self.cache.delete(key),
            lambda: self.cache.touch(key),
            lambda: self.cache.incr(key),
            lambda: self.cache.get_many(["fine", key]),
            lambda: self.cache.set_many({"fine": 1, key: 1}),
            lambda: self.cache.delete_many(["fine", key]),
            lambda: self.cache.get_with_token(key),
            lambda: self.cache.add_many_or_raise({"fine": (1, 300), key: (1, 300)}),
            lambda: self.cache.get_many_with_tokens(["fine", key]),
        ):
            with pytest.raises(InvalidCacheKey):
                use()
        assert self.cache.get("fine") is None

    def test_a_key_is_as_long_as_its_bytes(self) -> None:
        room = 250 - len(self.cache.make_key(""))
        assert self.cache.set("x" * room, 1)
        assert self.cache.set("é" * (room // 2), 2)
        assert self.cache.get("é" * (room // 2)) == 2
        with pytest.raises(InvalidCacheKey, match="250 bytes"):
            self.cache.set("é" * (room // 2 + 1), 1)
        with pytest.raises(InvalidCacheKey, match="longer than 250"):
            self.cache.set("x" * (room + 1), 1)

    # -- numbers -----------------------------------------------------------------------------------

    def test_memcached_counts_down_to_zero_and_no_further(self) -> None:
        self.cache.set("key", 1)
        assert self.cache.decr("key", 3) == 0

    @pytest.mark.parametrize("value", [-1, 2**64])
    def test_a_number_that_memcached_cannot_count_with_is_a_value_error(self, value: int) -> None:
        self.cache.set("key", value)
        with pytest.raises(ValueError, match="from 0 up"):
            self.cache.incr("key")
        assert self.cache.get("key") == value


class TestOneMemcached(MemcachedContract):
    def servers(self) -> list[str]:
        return super().servers()[:1]


class TestRingOfThreeMemcached(MemcachedContract):
    def test_every_node_has_its_share(self) -> None:
        self.cache.set_many({f"key{number}": 1 for number in range(300)}, 100)
        shares = []
        for server in self.servers():
            client = Client(server)
            keys = [self.cache.make_key(f"key{number}") for number in range(300)]
            shares.append(len(client.get_many(keys)))
            client.close()
        assert sum(shares) == 300
        assert min(shares) > 70
