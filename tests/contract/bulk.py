"""Many at one go: each for itself, as if it had been asked for alone."""

import pickle
import time
from functools import partial

import pytest

from coordinator.memcached import FOREIGN, Trouble
from tests.contract.backend import Backend
from tests.contract.cas import together
from tests.contract.values import REFUSED, Bomb
from tests.support.troubles import Troubles

#: More than one batch of commands has room for.
MANY = 2_500


class BulkContract(Backend):
    def tokens(self, *keys: str, version: int | None = None) -> dict[str, object]:
        found = self.cache.get_many_with_tokens(keys, version)
        assert sorted(found) == sorted(keys)
        return {key: token for key, (_, token) in found.items()}

    # -- adding ------------------------------------------------------------------------------------

    def test_many_are_added_where_nothing_is_and_what_is_there_stays(self) -> None:
        self.cache.set("there", b"theirs")
        added = self.cache.add_many_or_raise(
            {"new": (b"mine", 300), "there": (b"mine", 300), "number": (17, 300)}
        )
        assert added == {"new": True, "there": False, "number": True}
        assert self.cache.get_many(["new", "there", "number"]) == {
            "new": b"mine",
            "there": b"theirs",
            "number": 17,
        }

    def test_adding_nothing_adds_nothing(self) -> None:
        assert self.cache.add_many_or_raise({}) == {}

    def test_more_are_added_than_fit_into_one_batch(self) -> None:
        cache = self.build(KEY_PREFIX=self.prefix, OPTIONS={"MAX_ENTRIES": 2 * MANY})
        cache.set("key7", b"theirs")
        added = cache.add_many_or_raise({f"key{n}": (b"%d" % n, 300) for n in range(MANY)})
        assert [key for key, stored in added.items() if not stored] == ["key7"]
        found = cache.get_many(added)
        assert found == {f"key{n}": b"%d" % n for n in range(MANY)} | {"key7": b"theirs"}

    def test_each_of_many_has_a_timeout_of_its_own(self) -> None:
        added = self.cache.add_many_or_raise(
            {"gone": (b"v", 0), "short": (b"v", 1), "long": (b"v", 90.7)}
        )
        assert added == {"gone": True, "short": True, "long": True}
        assert self.cache.get("gone") is None
        # Both backends count real seconds, and memcached whole ones.
        time.sleep(2.1)
        assert self.cache.get_many(["gone", "short", "long"]) == {"long": b"v"}
        assert self.cache.add_many_or_raise({"short": (b"new", 300)}) == {"short": True}

    def test_many_are_added_under_their_version_and_prefix(self) -> None:
        self.cache.set("key", b"of the first")
        assert self.cache.add_many_or_raise({"key": (b"of the second", 300)}, version=2) == {
            "key": True
        }
        assert self.cache.get("key") == b"of the first"
        assert self.cache.get("key", version=2) == b"of the second"
        other = self.build(KEY_PREFIX=f"{self.prefix}-other")
        assert other.add_many_or_raise({"key": (b"elsewhere", 300)}) == {"key": True}
        assert self.cache.get("key") == b"of the first"

    @pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
    def test_a_value_that_would_come_back_changed_keeps_all_from_being_added(
        self, value: object
    ) -> None:
        # Enough of them for every node of a ring to have a share.
        items: dict[str, tuple[object, float]] = {f"key{n}": (b"v", 300) for n in range(30)}
        with pytest.raises(TypeError, match="cache"):
            self.cache.add_many_or_raise({**items, "wrong": (value, 300)})
        assert self.cache.get_many([*items, "wrong"]) == {}

    def test_foreign_bytes_are_something_that_is_there(self) -> None:
        self.plant_pickle("key", pickle.dumps(Bomb()))
        assert self.cache.add_many_or_raise({"key": (b"mine", 300), "free": (b"mine", 300)}) == {
            "key": False,
            "free": True,
        }

    def test_exactly_one_of_many_threads_adds_each_of_many(self) -> None:
        keys = [f"key{n}" for n in range(50)]
        added = together(8, partial(self.cache.add_many_or_raise, dict.fromkeys(keys, (b"1", 300))))
        assert [sum(each[key] for each in added) for key in keys] == [1] * 50

    # -- tokens ------------------------------------------------------------------------------------

    def test_tokens_come_for_what_is_there_and_for_nothing_else(self) -> None:
        self.cache.set_many({"a": b"1", "b": 2, "none": None})
        found = self.cache.get_many_with_tokens(["a", "missing", "b", "none"])
        assert {key: value for key, (value, _) in found.items()} == {
            "a": b"1",
            "b": 2,
            "none": None,
        }
        assert self.cache.get_many_with_tokens(["missing"]) == {}
        assert self.cache.get_many_with_tokens([]) == {}

    def test_each_of_many_tokens_replaces_what_it_came_with(self) -> None:
        self.cache.set_many({"a": b"1", "b": b"2"})
        tokens = self.tokens("a", "b")
        self.cache.set("b", b"theirs")
        assert self.cache.compare_and_set("a", b"mine", tokens["a"]) is True
        assert self.cache.compare_and_set("b", b"mine", tokens["b"]) is False
        assert self.cache.get_many(["a", "b"]) == {"a": b"mine", "b": b"theirs"}

    def test_many_are_replaced_at_one_go_each_with_its_own_token(self) -> None:
        self.cache.set_many({"a": b"1", "b": b"1", "same": b"1", "gone": b"1"})
        tokens = self.tokens("a", "b", "same", "gone")
        self.cache.set("b", b"theirs")
        self.cache.set("same", b"1")
        self.cache.delete("gone")
        items = {key: (b"mine", token, 300.0) for key, token in tokens.items()}
        assert self.cache.compare_and_set_many(items) == {
            "a": True,
            "b": False,
            "same": False,
            "gone": False,
        }
        assert self.cache.get_many(tokens) == {"a": b"mine", "b": b"theirs", "same": b"1"}
        assert self.cache.compare_and_set_many(items) == dict.fromkeys(tokens, False)

    def test_replacing_nothing_replaces_nothing(self) -> None:
        assert self.cache.compare_and_set_many({}) == {}

    def test_more_are_replaced_than_fit_into_one_batch(self) -> None:
        cache = self.build(KEY_PREFIX=self.prefix, OPTIONS={"MAX_ENTRIES": 2 * MANY})
        keys = [f"key{n}" for n in range(MANY)]
        cache.set_many(dict.fromkeys(keys, b"seen"))
        found = cache.get_many_with_tokens(keys)
        cache.set("key7", b"theirs")
        replaced = cache.compare_and_set_many(
            {key: (b"%d" % n, found[key][1], 300) for n, key in enumerate(keys)}
        )
        assert [key for key in keys if not replaced[key]] == ["key7"]
        there = cache.get_many(keys)
        assert there == {f"key{n}": b"%d" % n for n in range(MANY)} | {"key7": b"theirs"}

    def test_each_of_many_that_are_replaced_has_a_timeout_of_its_own(self) -> None:
        self.cache.set_many({"gone": b"1", "long": b"1"}, 300)
        tokens = self.tokens("gone", "long")
        assert self.cache.compare_and_set_many(
            {"gone": (b"2", tokens["gone"], 0), "long": (b"2", tokens["long"], 90.7)}
        ) == {"gone": True, "long": True}
        assert self.cache.get_many(tokens) == {"long": b"2"}

    @pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
    def test_a_value_that_would_come_back_changed_keeps_all_from_being_replaced(
        self, value: object
    ) -> None:
        keys = [f"key{n}" for n in range(30)]
        self.cache.set_many(dict.fromkeys(keys, b"seen"))
        tokens = self.tokens(*keys)
        items: dict[str, tuple[object, object, float]] = {
            key: (b"v", token, 300) for key, token in tokens.items()
        }
        with pytest.raises(TypeError, match="cache"):
            self.cache.compare_and_set_many({**items, keys[-1]: (value, tokens[keys[-1]], 300)})
        assert self.cache.get_many(keys) == dict.fromkeys(keys, b"seen")

    def test_among_many_to_replace_something_else_than_a_token_is_a_mistake(self) -> None:
        self.cache.set_many({"a": b"1", "b": b"1"})
        token = self.tokens("a")["a"]
        with pytest.raises(TypeError, match="token"):
            self.cache.compare_and_set_many({"a": (b"2", token, 300), "b": (b"2", b"17", 300)})
        assert self.cache.get_many(["a", "b"]) == {"a": b"1", "b": b"1"}

    def test_exactly_one_of_many_threads_replaces_each_of_many(self) -> None:
        keys = [f"key{n}" for n in range(50)]
        self.cache.set_many(dict.fromkeys(keys, b"seen"))
        items = {key: (b"mine", token, 300.0) for key, token in self.tokens(*keys).items()}
        won = together(8, partial(self.cache.compare_and_set_many, items))
        assert [sum(each[key] for each in won) for key in keys] == [1] * 50

    def test_many_tokens_keep_to_their_version_and_prefix(self) -> None:
        self.cache.set("key", b"v", version=2)
        assert self.cache.get_many_with_tokens(["key"]) == {}
        other = self.build(KEY_PREFIX=f"{self.prefix}-other")
        assert other.get_many_with_tokens(["key"], version=2) == {}
        assert self.cache.get_many_with_tokens(["key"], version=2)["key"][0] == b"v"

    def test_foreign_bytes_come_with_a_token_and_are_told(self, troubles: Troubles) -> None:
        self.cache.set("mine", b"v")
        self.plant_pickle("key", pickle.dumps(Bomb()))
        found = self.cache.get_many_with_tokens(["key", "mine"])
        assert found["key"][0] is FOREIGN
        assert found["mine"][0] == b"v"
        assert [trouble for _, _, trouble in troubles] == [Trouble.FOREIGN]
        assert self.cache.compare_and_set("key", b"mine", found["key"][1])

    # -- deleting ----------------------------------------------------------------------------------

    def test_what_was_seen_is_deleted_and_what_is_newer_stays(self) -> None:
        self.cache.set_many({"mine": b"1", "replaced": b"1", "same": b"1", "gone": b"1"})
        tokens = self.tokens("mine", "replaced", "same", "gone")
        self.cache.set("replaced", b"2")
        self.cache.set("same", b"1")
        self.cache.delete("gone")
        self.cache.compare_and_delete_many(tokens)
        assert self.cache.get_many(tokens) == {"replaced": b"2", "same": b"1"}
        assert self.cache.add_many_or_raise(dict.fromkeys(tokens, (b"new", 300))) == {
            "mine": True,
            "replaced": False,
            "same": False,
            "gone": True,
        }

    def test_deleting_twice_deletes_nothing_of_whoever_came_in_between(self) -> None:
        self.cache.set_many({"a": b"1", "b": b"1"})
        tokens = self.tokens("a", "b")
        self.cache.compare_and_delete_many(tokens)
        self.cache.add("a", b"1")
        self.cache.compare_and_delete_many(tokens)
        assert self.cache.get_many(["a", "b"]) == {"a": b"1"}

    def test_deleting_nothing_deletes_nothing(self) -> None:
        self.cache.set("key", b"v")
        self.cache.compare_and_delete_many({})
        assert self.cache.get("key") == b"v"

    def test_more_are_deleted_than_fit_into_one_batch(self) -> None:
        cache = self.build(KEY_PREFIX=self.prefix, OPTIONS={"MAX_ENTRIES": 2 * MANY})
        keys = [f"key{n}" for n in range(MANY)]
        cache.set_many(dict.fromkeys(keys, b"seen"))
        found = cache.get_many_with_tokens(keys)
        assert len(found) == MANY
        cache.set("key7", b"newer")
        cache.compare_and_delete_many({key: token for key, (_, token) in found.items()})
        assert cache.get_many(keys) == {"key7": b"newer"}

    def test_many_are_deleted_under_their_version_alone(self) -> None:
        self.cache.set("key", b"of the first")
        self.cache.set("key", b"of the second", version=2)
        tokens = self.tokens("key", version=2)
        self.cache.compare_and_delete_many(tokens)
        assert self.cache.get("key", version=2) == b"of the second", "another key's token"
        self.cache.compare_and_delete_many(tokens, version=2)
        assert self.cache.get("key", version=2) is None
        assert self.cache.get("key") == b"of the first"

    def test_among_many_something_else_than_a_token_is_a_mistake(self) -> None:
        self.cache.set("key", b"v")
        with pytest.raises(TypeError, match="token"):
            self.cache.compare_and_delete_many({"key": b"17"})
        assert self.cache.get("key") == b"v"
