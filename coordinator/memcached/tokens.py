"""Tokens for values that were read from memcached: compare-and-set replaces that value alone."""

import time
from collections.abc import Collection
from typing import NamedTuple

from coordinator.memcached.connection import Connection, Item, StoreCommand
from coordinator.memcached.node import Node


class Token(NamedTuple):
    """A value as one node had it. Its number means nothing to another node, or after a restart."""

    node: Node
    item: Item
    asked_at: float


def fetch_with_time(connection: Connection, key: bytes) -> tuple[Item, float] | None:
    """Return the item with its number, and when it was asked for; None if nothing is there."""
    # Before the answer: a connection that is opened after it may already be to another server.
    asked_at = time.monotonic()
    item = connection.fetch_with_cas((key,)).get(key)
    return None if item is None else (item, asked_at)


def fetch_many_with_time(
    connection: Connection, keys: Collection[bytes]
) -> tuple[dict[bytes, Item], float]:
    """Return the items that are there, with their numbers, and when they were asked for."""
    asked_at = time.monotonic()
    return connection.fetch_with_cas(keys), asked_at


def compare_and_store_each(
    connection: Connection, stores: Collection[tuple[StoreCommand, Token, int]]
) -> dict[bytes, bytes]:
    """Store each, given with its token and timeout, as `compare_and_store` does; by key.

    In one round trip, and one more for each token that is older than this connection.
    """
    young = [one for one in stores if connection.opened_at <= one[1].asked_at]
    answers = connection.store_each(
        b"cas", [(command, expire, token.item[2]) for command, token, expire in young]
    )
    answered = dict(zip((command.key for command, _, _ in young), answers, strict=True))
    for command, token, expire in stores:
        if command.key not in answered:
            answered[command.key] = compare_and_store(connection, command, token, expire)
    return answered


def compare_and_store(
    connection: Connection, command: StoreCommand, token: Token, expire: int
) -> bytes:
    """Store if the token's item is still there. Return the server's answer, as `store` does."""
    flags, data, cas = token.item
    if connection.opened_at > token.asked_at:
        # A restarted server counts from 1 again, and may have given this number to another value.
        # A connection older than the token proves that it was not restarted. On this one, what is
        # there now must be the same bytes; then replacing it is right, no matter who wrote them.
        there = connection.fetch_with_cas((command.key,)).get(command.key)
        if there is None:
            return b"NOT_FOUND"
        if there[:2] != (flags, data):
            return b"EXISTS"
        cas = there[2]
    return connection.store(b"cas", (command,), expire, cas)[0]
