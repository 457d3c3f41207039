"""What the cache backends' observers are told, for a test to look at."""

from collections.abc import Iterator

import pytest

from coordinator.memcached import Trouble, observe

#: Node, operation and kind of trouble, in the order in which they came.
Troubles = list[tuple[str, str, Trouble]]


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """Yield the list of what observers are told during the test."""
    told: Troubles = []
    forget = observe(lambda node, operation, trouble: told.append((node, operation, trouble)))
    yield told
    forget()
