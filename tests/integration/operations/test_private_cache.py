"""Commands that touch the cache refuse one that the running processes can't see."""

import pytest
from django.core.management import CommandError, call_command

from coordinator.core import cache
from tests.servers import MemcachedServer

COMMANDS = [
    ["coordinator_inspect", "payment.EDX-1"],
    ["coordinator_switch"],
    ["coordinator_erase", "--user", "42", "--yes"],
    ["coordinator_reconcile"],
    ["coordinator_verify"],
    ["coordinator_settle", "--once"],
    ["coordinator_abandoned"],
    ["coordinator_backfill", "payments"],
]


@pytest.fixture(autouse=True)
def shared_cache() -> None:
    """Leave it to the project to say what is shared."""


@pytest.mark.usefixtures("sqlite_ledger")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_private_cache_is_refused_with_what_to_set(command: list[str]) -> None:
    with pytest.raises(CommandError, match="Set MEMCACHED_SERVERS"):
        call_command(*command)


def test_memcached_is_shared(memcached: MemcachedServer) -> None:
    assert cache.is_shared()
