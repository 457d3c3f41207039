"""The real memcached, redis-server and PostgreSQL; ``tests/conftest.py`` makes fixtures of them."""

from tools.servers.programs import MemcachedServer, PostgresServer, RedisServer
from tools.servers.server import HOST

__all__ = ["HOST", "MemcachedServer", "PostgresServer", "RedisServer"]
