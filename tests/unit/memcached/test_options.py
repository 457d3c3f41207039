"""Cache options mean what they say, and a mistake in them is found at the start."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from coordinator.memcached import PyMemcacheCache
from coordinator.memcached.options import limits


def test_without_options_the_project_settings_decide(settings: Settings) -> None:
    settings.MEMCACHED_CONNECT_TIMEOUT_SECONDS = 0.2
    settings.MEMCACHED_TIMEOUT_SECONDS = 0.7
    settings.COORDINATOR_POINTER_TIMEOUT_SECONDS = 40
    single, ring = limits({}, 1), limits({}, 3)
    assert (single.connect_timeout, single.timeout) == (0.2, 0.7)
    assert single.rest == 1.0
    assert ring.rest > 40, "no node may come back before the pointers that it holds have expired"


def test_without_any_settings_nothing_waits_for_ever(settings: Settings) -> None:
    del settings.MEMCACHED_CONNECT_TIMEOUT_SECONDS
    del settings.MEMCACHED_TIMEOUT_SECONDS
    del settings.COORDINATOR_POINTER_TIMEOUT_SECONDS
    ring = limits({}, 2)
    assert 0 < ring.connect_timeout <= 1
    assert 0 < ring.timeout <= 1
    assert ring.rest > 30


def test_options_come_first() -> None:
    options = {"connect_timeout": 1, "timeout": 2, "retry_timeout": 3, "dead_timeout": 4}
    assert limits(options, 1)[:3] == (1.0, 2.0, 3.0)
    assert limits(options, 2)[:3] == (1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("timeout", 0, "seconds above 0"),
        ("timeout", None, "seconds above 0"),
        ("timeout", -1, "seconds above 0"),
        ("timeout", True, "seconds above 0"),
        ("connect_timeout", "1", "seconds above 0"),
        ("retry_timeout", 0, "seconds above 0"),
        ("serde", object(), "Unknown cache option 'serde'; known are connect_timeout"),
        ("hasher", object(), "Unknown cache option 'hasher'"),
        ("default_noreply", True, "always False"),
        ("retry_attempts", 2, "always 0"),
    ],
)
def test_an_option_that_cannot_be_is_refused(name: str, value: Any, what: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=what):
        PyMemcacheCache("127.0.0.1:11211", {"OPTIONS": {name: value}})


def test_pymemcaches_options_for_what_is_always_so_are_welcome() -> None:
    options = {
        "allow_unicode_keys": True,
        "default_noreply": False,
        "ignore_exc": True,
        "no_delay": True,
        "retry_attempts": 0,
        "use_pooling": True,
        "MAX_ENTRIES": 1_000,
    }
    PyMemcacheCache(["127.0.0.1:11211", "127.0.0.1:11212"], {"OPTIONS": options})


def test_a_cache_without_a_server_is_refused() -> None:
    for location in ("", [], ["127.0.0.1:11211", ""]):
        with pytest.raises(ImproperlyConfigured, match="LOCATION"):
            PyMemcacheCache(location, {})


def test_a_server_named_twice_is_one_server() -> None:
    nodes = PyMemcacheCache("a:1;a:1", {"OPTIONS": {"retry_timeout": 7}})._nodes.nodes
    assert [node.name for node in nodes] == ["a:1"]
    assert nodes[0].limits.rest == 7.0


def test_servers_may_be_given_in_all_of_djangos_ways() -> None:
    for location in ("a:1;b:2", "a:1, b:2", ["a:1", "b:2"], ("a:1", "b:2")):
        names = [node.name for node in PyMemcacheCache(location, {})._nodes.nodes]
        assert names == ["a:1", "b:2"]
