"""The real memcached, redis-server and PostgreSQL; ``tests/conftest.py`` makes fixtures of them."""

from workers.stack.server import HOST
from workers.stack.servers import MemcachedServer, PostgresServer, RedisServer

__all__ = ["HOST", "MemcachedServer", "PostgresServer", "RedisServer"]
