"""The servers that one run of the stack needs, started together and ended together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.servers.programs import MemcachedServer, PostgresServer
from tools.servers.redis import RedisServer
from tools.servers.server import Server, ServerMissing, how_to_install

_KINDS: tuple[type[Server], ...] = (MemcachedServer, RedisServer, PostgresServer)


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers while they run."""

    database: PostgresServer
    redis: RedisServer
    nodes: list[MemcachedServer]


def check_installed() -> None:
    """Raise ServerMissing, with the one command that installs them all, if any is missing."""
    missing = []
    for kind in _KINDS:
        try:
            kind.executable()
        except ServerMissing:
            missing.append(kind)
    if missing:
        raise ServerMissing(how_to_install(missing))


@contextmanager
def serving(nodes: int, directory: Path) -> Iterator[Servers]:
    """Run PostgreSQL, Redis and so many memcached nodes below `directory` for as long as it takes.

    Raise ServerMissing or ServerFailed.
    """
    check_installed()
    with ExitStack() as stack:
        yield Servers(
            redis=stack.enter_context(RedisServer(directory)),
            nodes=[stack.enter_context(MemcachedServer(directory)) for _ in range(nodes)],
            database=stack.enter_context(PostgresServer(directory)),
        )
