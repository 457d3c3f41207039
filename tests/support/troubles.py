"""Trouble with the cache: what its observers are told, and a cache that refuses every value."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from coordinator.memcached import LocMemCache, Trouble, observe

#: Node, operation and kind of trouble, in the order in which they came.
Troubles = list[tuple[str, str, Trouble]]


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """Yield the list of what observers are told during the test."""
    told: Troubles = []
    forget = observe(lambda one: told.append((one.node, one.operation, one.kind)))
    yield told
    forget()


class RefusingCache(LocMemCache):
    """Answers, and stores nothing: as memcached does with a value that it has no memory for."""

    def set_or_raise(self, *_: Any, **__: Any) -> bool:
        return False

    def set_many(self, data: Mapping[str, Any], *_: Any, **__: Any) -> list[str]:
        return list(data)
