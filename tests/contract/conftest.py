"""The memcached servers of the contract: the suite empties them, so nothing else may use them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import running
from tests.servers import MemcachedServer
from tests.support.troubles import troubles

__all__ = ["troubles"]  # a fixture


@pytest.fixture(scope="package")
def memcached_nodes() -> Iterator[list[MemcachedServer]]:
    """Yield three running memcached."""
    with ExitStack() as servers:
        yield [servers.enter_context(contextmanager(running)(MemcachedServer())) for _ in range(3)]
