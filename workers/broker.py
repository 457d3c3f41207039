"""Redis as the broker: kombu's own transport, which outlives the loss of its connection.

When a connection breaks, kombu (5.7) forgets it first and then has to do with the messages that are
still under way on it: it wants to give them back, and acknowledges them when their tasks end. Each
time it looks up the connection's host, which raises AttributeError, which nobody expects: a worker
that was at work when Redis went away would end. As the error of a connection it is expected, and
the messages come back after the visibility timeout.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel that says so when its connection is gone."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise ConnectionResetError("the connection of this channel is gone")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # celery-types lacks it


class Transport(redis.Transport):
    """The transport with such channels."""

    Channel = Channel


def use() -> None:
    """Let addresses that begin with redis:// or rediss:// mean this transport."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "workers.broker:Transport"
