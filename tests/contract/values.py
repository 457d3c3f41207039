"""Which values a cache keeps, and how they come back."""

import contextlib
import datetime
import decimal
import enum
import pickle
from typing import Any

import pytest

from coordinator.memcached import FOREIGN, Trouble
from tests.contract.backend import Backend
from tests.support.troubles import Troubles


class Word(enum.StrEnum):
    ONE = "one"


class Bomb:
    """Ends the test run if it is ever unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.exit, ("a pickle from the cache was executed",))


KEPT = [
    b"",
    b"\x00\xff\r\nEND\r\n",
    b"x" * 200_000,
    "",
    "grüße \u2028 \U0001f600",
    0,
    -5,
    2**80,
    True,
    False,
    None,
    1.5,
    float("inf"),
    [],
    [1, "a", None, [True, {"b": 2.5}]],
    {},
    {"a": {"b": [1, 2]}, "": ""},
    ["\ud800"],
]

REFUSED = [
    (1, 2),
    {1, 2},
    {1: "a"},
    {"a": {2: "b"}},
    [b"bytes"],
    [[(1,)]],
    bytearray(b"a"),
    datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    decimal.Decimal(1),
    Word.ONE,
    object(),
]


class ValuesContract(Backend):
    @pytest.mark.parametrize("value", KEPT, ids=lambda value: repr(value)[:20])
    def test_a_value_comes_back_equal_and_of_the_same_type(self, value: object) -> None:
        assert self.cache.set("key", value)
        there = self.cache.get("key", "default")
        assert there == value
        assert type(there) is type(value)
        assert self.cache.get_many(["key"]) == {"key": value}
        found = self.cache.get_with_token("key")
        assert found is not None
        assert found[0] == value

    @pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
    def test_a_value_that_would_come_back_changed_is_refused(self, value: object) -> None:
        self.cache.set("token", 1)
        found = self.cache.get_with_token("token")
        assert found is not None
        for store in (
            lambda: self.cache.set("key", value),
            lambda: self.cache.add("key", value),
            lambda: self.cache.set_many({"other": 1, "key": value}),
            lambda: self.cache.set_or_raise("key", value),
            lambda: self.cache.add_or_raise("key", value),
            lambda: self.cache.compare_and_set("token", value, found[1]),
        ):
            with pytest.raises(TypeError, match="cache"):
                store()
        assert self.cache.get_many(["key", "token"]) == {"token": 1}

    @pytest.mark.parametrize(
        "value", [*REFUSED, 10**5_000, "\ud800"], ids=lambda v: type(v).__name__
    )
    def test_a_value_that_is_refused_leaves_nothing_that_passes_for_it(self, value: object) -> None:
        for store in (
            lambda: self.cache.set("key", value),
            lambda: self.cache.set_or_raise("key", value),
            lambda: self.cache.set_many({"key": value}),
        ):
            self.cache.set("key", "old")
            with pytest.raises((TypeError, ValueError)):
                store()
            assert self.cache.get("key", "nothing") == "nothing"

    @pytest.mark.parametrize("order", [["good", "bad"], ["bad", "good"]])
    def test_a_batch_with_a_refused_value_is_stored_as_a_whole_or_not_at_all(
        self, order: list[str]
    ) -> None:
        values = {"good": "new", "bad": object()}
        self.cache.set_many({"good": "old", "bad": "old", "another": "old"})
        with pytest.raises(TypeError, match="cache"):
            self.cache.set_many({key: values[key] for key in order})
        assert self.cache.get_many(["good", "bad", "another"]) == {"another": "old"}

    def test_a_refused_value_changes_nothing_where_nothing_was_to_be_replaced(self) -> None:
        self.cache.set("key", "old")
        with pytest.raises(TypeError, match="cache"):
            self.cache.add("key", object())
        assert self.cache.get("key") == "old"

    def test_an_update_of_a_session_that_is_refused_does_not_bring_back_the_old_one(self) -> None:
        """As Django's ``cached_db`` does it: the database first, then the cache; errors logged."""
        database: dict[str, object] = {"basket": 1}
        self.cache.set("session", dict(database))
        database = {"basket": 2, "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)}
        with contextlib.suppress(TypeError):
            self.cache.set("session", dict(database))
        loaded = self.cache.get("session") or database
        assert loaded["basket"] == 2

    def test_the_refusal_says_what_to_do_instead(self) -> None:
        with pytest.raises(TypeError, match=r"builtins.tuple.*Give it bytes, str, int.*encode"):
            self.cache.set("key", (1, 2))
        with pytest.raises(TypeError, match=r"str keys, not int.*Convert"):
            self.cache.set("key", {1: 2})

    def test_what_is_stored_does_not_change_with_the_callers_object(self) -> None:
        mine = {"list": [1]}
        self.cache.set("key", mine)
        mine["list"].append(2)
        theirs = self.cache.get("key")
        theirs["list"].append(3)
        assert self.cache.get("key") == {"list": [1]}

    def test_a_pickle_that_another_client_stored_is_a_miss_and_never_loaded(
        self, troubles: Troubles
    ) -> None:
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert self.cache.get("key", "default") == "default"
        assert self.cache.get_many(["key"]) == {}
        assert self.cache.get_many_or_raise(["key"]) == {}
        assert not self.cache.has_key("key")
        assert "key" not in self.cache
        with pytest.raises(ValueError, match="key"):
            self.cache.incr("key")
        assert {trouble for _, _, trouble in troubles} == {Trouble.FOREIGN}
        assert troubles[0][1] == "get"

    def test_a_foreign_value_can_be_replaced_by_compare_and_set(self, troubles: Troubles) -> None:
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert not self.cache.add("key", "mine")
        found = self.cache.get_with_token("key")
        assert found is not None
        assert found[0] is FOREIGN
        assert [trouble for _, _, trouble in troubles] == [Trouble.FOREIGN]
        assert self.cache.compare_and_set("key", "mine", found[1])
        assert self.cache.get("key") == "mine"

    def test_a_foreign_value_can_be_overwritten_and_deleted(self) -> None:
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert self.cache.set("key", "mine")
        assert self.cache.get("key") == "mine"
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert self.cache.delete("key")
        assert self.cache.add("key", "mine")

    def test_get_or_set_answers_with_the_default_over_a_foreign_value(self) -> None:
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert self.cache.get_or_set("key", "default") == "default"
