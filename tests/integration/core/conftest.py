"""What the core's tests read and warm on a real memcached."""

from tests.support.fixtures import things, upstream

__all__ = ["things", "upstream"]
