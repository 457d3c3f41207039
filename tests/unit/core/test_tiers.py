"""The multi-get answers as ``TieredCache.get_cached_response`` does, in every case."""

import itertools
from collections.abc import Callable

import pytest
from edx_django_utils.cache import DEFAULT_REQUEST_CACHE, TieredCache
from edx_django_utils.cache.utils import SHOULD_FORCE_CACHE_MISS_KEY

from coordinator.core import cache

CASES = list(itertools.product([False, True], repeat=3))


def force_misses() -> None:
    """Do what the middleware does when a member of staff asks for it."""
    DEFAULT_REQUEST_CACHE.set(SHOULD_FORCE_CACHE_MISS_KEY, True)


def ours(key: str) -> tuple[bool, object]:
    found = cache.get_entries([key]).found
    return key in found, found.get(key)


def theirs(key: str) -> tuple[bool, object]:
    response = TieredCache.get_cached_response(key)
    return response.is_found, response.value if response.is_found else None


def remembered(key: str) -> object:
    response = DEFAULT_REQUEST_CACHE.get_cached_response(key)
    return response.value if response.is_found else None


@pytest.mark.parametrize(("in_tier", "in_shared", "forced"), CASES)
def test_it_answers_and_remembers_as_the_tiered_cache_does(
    each_cache: str, in_tier: bool, in_shared: bool, forced: bool
) -> None:
    def outcome(read: Callable[[str], tuple[bool, object]]) -> tuple[object, ...]:
        cache.clear_request_tier()
        if in_shared:
            cache.put("key", b"shared", 60)
        if in_tier:
            cache.remember("key", b"remembered")
        if forced:
            force_misses()
        return (*read("key"), remembered("key"))

    assert outcome(ours) == outcome(theirs)


def test_several_keys_are_answered_each_by_itself() -> None:
    cache.put("shared", b"s", 60)
    cache.put("both", b"s", 60)
    cache.remember("both", b"r")
    cache.remember("tier", b"r")
    answer = cache.get_entries(["shared", "both", "tier", "neither"])
    assert answer.found == {"shared": b"s", "both": b"r", "tier": b"r"}
    assert answer.reachable


def test_what_is_asked_alongside_comes_from_the_shared_cache_and_is_not_remembered() -> None:
    cache.put("pointer", b"now", 60)
    cache.remember("pointer", b"then")
    answer = cache.get_entries([], "pointer")
    assert answer.found == {"pointer": b"now"}
    assert remembered("pointer") == b"then", "it was overwritten"
    cache.clear_request_tier()
    cache.get_entries(["entry"], "pointer")
    assert remembered("pointer") is None


def test_the_shared_cache_alone_is_asked_past_the_request_tier() -> None:
    cache.put("key", b"now", 60)
    cache.remember("key", b"then")
    assert cache.get_shared(["key"]).found == {"key": b"now"}
    assert remembered("key") == b"then"


def test_an_unreachable_cache_is_said_to_be_and_the_request_tier_still_answers(
    no_cache: None,
) -> None:
    cache.remember("tier", b"r")
    answer = cache.get_entries(["tier", "shared"])
    assert answer.found == {"tier": b"r"}
    assert not answer.reachable


def test_what_the_request_tier_knows_costs_no_round_trip(no_cache: None) -> None:
    cache.remember("tier", b"r")
    assert cache.get_entries(["tier"]).reachable, "the shared cache was asked"


def test_forgetting_is_for_both_tiers() -> None:
    cache.put("key", b"shared", 60)
    cache.remember("key", b"remembered")
    cache.forget("key")
    assert ours("key") == (False, None)


def test_a_health_check_tells_whether_the_cache_answers(each_cache: str) -> None:
    assert cache.answers()


def test_a_health_check_tells_that_the_cache_does_not_answer(no_cache: None) -> None:
    assert not cache.answers()
