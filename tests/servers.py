"""The real servers; ``tests/conftest.py`` makes fixtures of them."""

from tools.servers.programs import (
    MariaDBServer,
    MemcachedServer,
    NginxServer,
    PgBouncerServer,
    PostgresServer,
)
from tools.servers.redis import RedisServer, SentinelServer
from tools.servers.server import HOST

__all__ = [
    "HOST",
    "MariaDBServer",
    "MemcachedServer",
    "NginxServer",
    "PgBouncerServer",
    "PostgresServer",
    "RedisServer",
    "SentinelServer",
]
