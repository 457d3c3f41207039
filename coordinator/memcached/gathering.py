"""One multi-get over several nodes, which work at the same time."""

import time
from collections.abc import Collection, Mapping

from coordinator.errors import CacheUnreachable
from coordinator.memcached.connection import Connection, Item
from coordinator.memcached.node import Node

_LEAST_WAIT_SECONDS = 0.01


def fetch_many(
    by_node: Mapping[Node, Collection[bytes]],
) -> tuple[dict[Node, dict[bytes, Item]], CacheUnreachable | None]:
    """Return what each node holds of its keys, and a failure if any did not answer.

    One round trip a node, and all are asked before the first answer is read. Nodes that hang are
    waited for together, so one timeout is spent, and not one for each.
    """
    if len(by_node) == 1:
        ((node, keys),) = by_node.items()
        try:
            return {node: node.run("get_many", Connection.fetch, keys)}, None
        except CacheUnreachable as error:
            return {}, error
    found: dict[Node, dict[bytes, Item]] = {}
    failure: CacheUnreachable | None = None
    asked: list[tuple[Node, Connection, Collection[bytes]]] = []
    try:
        for node, keys in by_node.items():
            try:
                connection = node.take("get_many")
                node.attempt("get_many", connection, Connection.ask_for, keys)
            except CacheUnreachable as error:
                failure = error
            else:
                asked.append((node, connection, keys))
        began = time.monotonic()
        while asked:
            node, connection, keys = asked.pop()
            spent = time.monotonic() - began
            timeout = node.limits.timeout
            left = None if spent < timeout / 2 else max(timeout - spent, _LEAST_WAIT_SECONDS)
            try:
                found[node] = node.attempt(
                    "get_many", connection, Connection.receive_items, keys, left
                )
            except CacheUnreachable as error:
                failure = error
            else:
                node.give_back(connection)
    finally:
        # Left over only if something else came through: their answers are still on the way.
        for _, connection, _ in asked:
            connection.close()
    return found, failure
