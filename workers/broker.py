"""Redis as the broker: kombu's own transports, which outlive what Redis does to their connections.

Three things are added to kombu (5.7).

Redis refuses commands while it is no master that takes writes: a replica answers ``READONLY``, one
that has just become a replica ``UNBLOCKED``, a master without enough replicas ``NOREPLICAS``. kombu
calls these errors of a channel, for which Celery ends the worker. Here they are errors of the
connection, so Celery connects anew.

A new connection is asked to write before it counts as one: a replica answers pings, so a worker
would connect to it, fail, and connect again without a pause. A refused write is one more failed
attempt to connect, after which Celery waits before the next (``workers/beating.py`` says how long).

When a connection breaks, kombu forgets it first and then has to do with the messages that are
still under way on it: it wants to give them back, and acknowledges them when their tasks end. Each
time it looks up the connection's host, which raises AttributeError, which Celery does not expect: a
worker that was at work when Redis went away would end. As the error of a connection it is expected,
and the messages come back after the visibility timeout.
"""

from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

#: No delivery tag is empty, so removing this one changes nothing: it only shows if Redis writes.
_NO_TAG: Final = ""


class WritesRefused(ConnectionError):
    """The Redis at the other end takes no writes: a replica, or a master that lacks replicas."""


class _Enduring(redis.Channel):
    """What both kinds of channel add to kombu's."""

    # Private API of kombu 5.7, here and below: what breaks is kombu's own handling of a connection,
    # for which it has no hooks. celery-types lacks all of it.
    connection: Any
    channel_id: int
    sentinel_kwargs: Any
    _pool: Any
    _disconnect_pools: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
            self._ask_to_write()
        except BaseException:
            # kombu forgets to: after 65,535 failed attempts (days) there would be no id left.
            self._give_id_back()
            raise

    def _on_connection_disconnect(self, connection: Any) -> None:
        super()._on_connection_disconnect(connection)  # type: ignore[misc]  # celery-types lacks it
        # Or a message would be taken from the next master, and noted at the last one, which hangs:
        # it would be lost.
        if self._pool is not None:
            self._pool.disconnect(inuse_connections=False)

    def _ask_to_write(self) -> None:
        """Raise WritesRefused if Redis does; by a command that each acknowledgement uses too."""
        try:
            self.client.zrem(self.unacked_index_key, _NO_TAG)
        except ResponseError as error:
            self.connection.cycle.discard(self)
            self._disconnect_pools()
            raise WritesRefused(str(error)) from error

    def _give_id_back(self) -> None:
        used = self.connection._used_channel_ids  # noqa: SLF001  # as kombu does when one closes
        if getattr(self, "channel_id", None) in used:
            used.remove(self.channel_id)

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise ConnectionResetError("the connection of this channel is gone")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # celery-types lacks it


class Channel(_Enduring):
    """A channel to a Redis that writes, which says so when its connection is gone."""


class SentinelChannel(_Enduring, redis.SentinelChannel):
    """The same, to the master that Sentinel names."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        # Sentinels get the limits of all other sockets, and one attempt each: there are several of
        # them, and redis-py would ask one that is gone for seconds.
        self.sentinel_kwargs = {
            "socket_timeout": self.socket_timeout,
            "socket_connect_timeout": self.socket_connect_timeout,
            **(self.sentinel_kwargs or {}),
            "retry": Retry(NoBackoff(), 0),
        }
        return super()._sentinel_managed_pool(asynchronous)  # type: ignore[misc]  # celery-types lacks it


class Transport(redis.Transport):
    """The transport with such channels."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, ResponseError)


class SentinelTransport(redis.SentinelTransport):
    """The same for ``sentinel://``."""

    Channel = SentinelChannel
    connection_errors = Transport.connection_errors


def use() -> None:
    """Let addresses that begin with redis://, rediss:// or sentinel:// mean these transports."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "workers.broker:Transport"
    TRANSPORT_ALIASES["sentinel"] = "workers.broker:SentinelTransport"
