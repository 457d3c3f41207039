"""Compare-and-set: nobody overwrites what they have not seen."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from tests.contract.backend import Backend

T = TypeVar("T")


class CompareAndSetContract(Backend):
    def token(self, key: str) -> object:
        found = self.cache.get_with_token(key)
        assert found is not None
        return found[1]

    def test_there_is_no_token_for_nothing(self) -> None:
        assert self.cache.get_with_token("key") is None

    def test_a_value_comes_with_a_token_that_replaces_it(self) -> None:
        self.cache.set("key", b"one")
        found = self.cache.get_with_token("key")
        assert found is not None
        value, token = found
        assert value == b"one"
        assert self.cache.compare_and_set("key", b"two", token) is True
        assert self.cache.get("key") == b"two"

    def test_a_token_is_good_for_one_replacement(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        assert self.cache.compare_and_set("key", 2, token)
        assert self.cache.compare_and_set("key", 3, token) is False
        assert self.cache.get("key") == 2

    @pytest.mark.parametrize("value", [b"theirs", b"mine"])
    def test_whoever_is_second_replaces_nothing(self, value: bytes) -> None:
        self.cache.set("key", b"seen")
        token = self.token("key")
        self.cache.set("key", value)
        assert self.cache.compare_and_set("key", b"mine", token) is False
        assert self.cache.compare_and_delete("key", token) is False
        assert self.cache.get("key") == value

    def test_what_was_deleted_meanwhile_stays_deleted(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        self.cache.delete("key")
        assert self.cache.compare_and_set("key", 2, token) is False
        assert self.cache.compare_and_delete("key", token) is False
        assert self.cache.get("key") is None

    def test_what_expired_meanwhile_is_not_replaced(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        self.cache.touch("key", -1)
        assert self.cache.compare_and_set("key", 2, token) is False
        assert self.cache.compare_and_delete("key", token) is False
        assert self.cache.get("key") is None

    def test_a_token_of_an_earlier_value_does_not_fit_a_later_one_under_the_same_key(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        self.cache.delete("key")
        self.cache.add("key", 1)
        assert self.cache.compare_and_set("key", 2, token) is False
        assert self.cache.get("key") == 1

    def test_compare_and_set_sets_its_own_timeout(self) -> None:
        self.cache.set("key", 1, 300)
        assert self.cache.compare_and_set("key", 2, self.token("key"), 0)
        assert self.cache.get("key") is None
        self.cache.set("key", 1, 1)
        assert self.cache.compare_and_set("key", 2, self.token("key"), None)
        assert self.cache.get("key") == 2

    def test_compare_and_delete_deletes_what_was_seen(self) -> None:
        self.cache.set("key", 1)
        assert self.cache.compare_and_delete("key", self.token("key")) is True
        assert self.cache.get("key", "gone") == "gone"
        assert self.cache.get_many(["key"]) == {}
        assert self.cache.get_with_token("key") is None
        assert not self.cache.touch("key", 100)

    def test_after_compare_and_delete_the_key_is_free(self) -> None:
        self.cache.set("key", 1)
        self.cache.compare_and_delete("key", self.token("key"))
        assert self.cache.add("key", 2)
        assert self.cache.get("key") == 2

    def test_tokens_keep_to_their_version(self) -> None:
        self.cache.set("key", 1, version=2)
        assert self.cache.get_with_token("key") is None
        found = self.cache.get_with_token("key", version=2)
        assert found is not None
        assert self.cache.compare_and_set("key", 3, found[1], version=2)
        assert self.cache.get("key", version=2) == 3
        found = self.cache.get_with_token("key", version=2)
        assert found is not None
        assert self.cache.compare_and_delete("key", found[1], version=2)

    def test_a_touched_value_is_still_the_one_that_was_seen(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        self.cache.touch("key", 100)
        assert self.cache.compare_and_set("key", 2, token)

    def test_an_incremented_value_is_not_the_one_that_was_seen(self) -> None:
        self.cache.set("key", 1)
        token = self.token("key")
        self.cache.incr("key")
        assert not self.cache.compare_and_set("key", 9, token)
        assert self.cache.get("key") == 2

    def test_something_else_than_a_token_is_a_mistake(self) -> None:
        self.cache.set("key", 1)
        with pytest.raises(TypeError, match="token"):
            self.cache.compare_and_set("key", 2, b"17")
        with pytest.raises(TypeError, match="token"):
            self.cache.compare_and_delete("key", None)

    def test_the_raising_variants_do_what_the_plain_ones_do(self) -> None:
        assert self.cache.add_or_raise("key", 1, 300) is True
        assert self.cache.add_or_raise("key", 2, 300) is False
        assert self.cache.get("key") == 1
        assert self.cache.set_or_raise("key", 3, 300) is True
        assert self.cache.get_many_or_raise(["key", "other"]) == {"key": 3}
        assert self.cache.get_many_or_raise([]) == {}
        assert self.cache.add_or_raise("gone", 1, 0) is True
        assert self.cache.get("gone") is None

    def test_no_increment_by_compare_and_set_is_lost_among_threads(self) -> None:
        self.cache.set("sum", b"0")

        def fifty_times() -> None:
            for _ in range(50):
                increment()

        def increment() -> None:
            while True:
                found = self.cache.get_with_token("sum")
                assert found is not None
                value, token = found
                if self.cache.compare_and_set("sum", b"%d" % (int(value) + 1), token):
                    return

        together(8, fifty_times)
        assert self.cache.get("sum") == b"400"

    def test_exactly_one_of_many_threads_adds(self) -> None:
        for round_ in range(20):
            added = together(8, partial(self.cache.add_or_raise, f"key{round_}", b"1"))
            assert sum(added) == 1

    def test_exactly_one_of_many_threads_replaces_what_all_have_seen(self) -> None:
        for _ in range(20):
            self.cache.set("key", b"seen")
            token = self.token("key")
            won = together(8, partial(self.cache.compare_and_set, "key", b"mine", token))
            assert sum(won) == 1

    def test_exactly_one_of_many_threads_deletes_what_all_have_seen(self) -> None:
        for _ in range(20):
            self.cache.set("key", b"seen")
            token = self.token("key")
            won = together(8, partial(self.cache.compare_and_delete, "key", token))
            assert sum(won) == 1


def together(threads: int, act: Callable[[], T]) -> list[T]:
    """Call `act` in that many threads, all at the same moment. Return what each returned."""
    barrier = threading.Barrier(threads)

    def run(_: int) -> T:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
