"""Django's PyMemcacheCache with compare-and-set, no pickles, and connections that last.

Plain operations degrade: a node that does not answer is a miss or a False, and observers are told.
The ``..._or_raise`` ones and those with a token raise CacheUnreachable instead, for callers that
must tell "refused" from "not known".
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.memcached import PyMemcacheCache as DjangoPyMemcacheCache
from django.core.exceptions import ImproperlyConfigured

from coordinator.errors import CacheUnreachable
from coordinator.memcached import gathering, ring
from coordinator.memcached.connection import Connection, NotANumber, StoreCommand
from coordinator.memcached.node import Node
from coordinator.memcached.observing import Trouble, report
from coordinator.memcached.options import limits
from coordinator.memcached.serde import FOREIGN, decode, encode
from coordinator.memcached.tokens import (
    Token,
    compare_and_store,
    compare_and_store_each,
    fetch_many_with_time,
    fetch_with_time,
)
from coordinator.memcached.wire_keys import WireKeys

T = TypeVar("T")


class PyMemcacheCache(DjangoPyMemcacheCache):
    """One memcached server, or a ring of several, shared by all threads of the process."""

    if TYPE_CHECKING:
        # What Django's class has, and its stubs leave out or say otherwise.
        _servers: Sequence[str]

        def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> int:
            """Return the timeout as memcached takes it: whole seconds, 0 for none."""
            ...

    def __init__(self, server: str | Sequence[str], params: dict[str, Any]) -> None:
        """Take Django's LOCATION and the rest of its settings; options.py has the OPTIONS."""
        super().__init__(server, params)
        servers = list(dict.fromkeys(name.strip() for name in self._servers))
        if not servers or not all(servers):
            raise ImproperlyConfigured(f"A memcached cache needs servers in LOCATION: {server!r}")
        self._nodes = ring.shared(servers, limits(params.get("OPTIONS") or {}, len(servers)))
        self._wire_key = WireKeys(self)

    @property
    def _cache(self) -> ring.Nodes:
        return self._nodes

    def nodes(self) -> dict[str, bool]:
        """Return each node's name, and whether it is usable now or rests after a failure."""
        return {node.name: node.is_usable() for node in self._nodes.nodes}

    def close(self, **kwargs: object) -> None:
        """Keep the connections: Django calls this after each request, Celery after each task."""

    # -- reading -----------------------------------------------------------------------------------

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value, or `default` if nothing usable is there or the node did not answer."""
        wire = self._wire_key(key, version)
        try:
            node = self._nodes.node_for(wire)
            items = node.run("get", Connection.fetch, (wire,))
        except CacheUnreachable:
            return default
        if not items:
            return default
        flags, data, _ = items[wire]
        value = decode(flags, data)
        if value is FOREIGN:
            report(node.name, "get", Trouble.FOREIGN)
            return default
        return value

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return what is there of `keys`, in one round trip a node.

        The keys of a node that did not answer are missing.
        """
        return self._get_many(keys, version)[0]

    def get_many_or_raise(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return what is there of `keys`; raise CacheUnreachable if a node did not answer."""
        values, failure = self._get_many(keys, version)
        if failure is not None:
            raise failure
        return values

    def _get_many(
        self, keys: Iterable[str], version: int | None
    ) -> tuple[dict[str, Any], CacheUnreachable | None]:
        names = {self._wire_key(key, version): key for key in keys}
        if not names:
            return {}, None
        by_node, unplaced = self._nodes.split(names)
        found, failure = gathering.fetch_many(by_node)
        values = {}
        for node, items in found.items():
            for wire, (flags, data, _) in items.items():
                value = decode(flags, data)
                if value is FOREIGN:
                    report(node.name, "get_many", Trouble.FOREIGN)
                else:
                    values[names[wire]] = value
        return values, failure or unplaced

    def has_key(self, key: str, version: int | None = None) -> bool:
        """Return True if `get` would find a value."""
        return self.get(key, FOREIGN, version) is not FOREIGN

    # -- compare and set ---------------------------------------------------------------------------

    def get_with_token(self, key: str, version: int | None = None) -> tuple[Any, Token] | None:
        """Return the value with a token for it, or None if nothing is there.

        The value is FOREIGN if something is there that was not stored by this backend: it can be
        replaced like any other. Raise CacheUnreachable if the node did not answer.
        """
        wire = self._wire_key(key, version)
        node = self._nodes.node_for(wire)
        found = node.run("get_with_token", fetch_with_time, wire)
        if found is None:
            return None
        item, asked_at = found
        value = decode(item[0], item[1])
        if value is FOREIGN:
            report(node.name, "get_with_token", Trouble.FOREIGN)
        return value, Token(node, item, asked_at)

    def compare_and_set(
        self,
        key: str,
        value: Any,
        token: object,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store `value` if what `token` was given for is still there, and return True.

        Return False if another write was first, if nothing is there any more, if the key has moved
        to another node, or if the value was refused. Raise CacheUnreachable if the node did not
        answer; the value may be stored all the same.
        """
        flags, data = encode(value)
        command = StoreCommand(self._wire_key(key, version), flags, data)
        return self._compare_and_store(
            "compare_and_set", command, token, self.get_backend_timeout(timeout)
        )

    def compare_and_delete(self, key: str, token: object, version: int | None = None) -> bool:
        """Delete the key if what `token` was given for is still there, and return True.

        Return False and raise as `compare_and_set` does.
        """
        command = StoreCommand(self._wire_key(key, version), 0, b"")
        # memcached's delete compares nothing. Replacing the value by one that has expired already
        # does, and from then on get, add and cas find nothing there.
        return self._compare_and_store("compare_and_delete", command, token, -1)

    def get_many_with_tokens(
        self, keys: Iterable[str], version: int | None = None
    ) -> dict[str, tuple[Any, Token]]:
        """Return what `get_with_token` does for each key that is there, in one round trip a node.

        Raise CacheUnreachable if any node did not answer.
        """
        names = {self._wire_key(key, version): key for key in keys}
        found: dict[str, tuple[Any, Token]] = {}
        for node, wires in self._placed(names).items():
            items, asked_at = node.run("get_many_with_tokens", fetch_many_with_time, wires)
            for wire, item in items.items():
                value = decode(item[0], item[1])
                if value is FOREIGN:
                    report(node.name, "get_many_with_tokens", Trouble.FOREIGN)
                found[names[wire]] = value, Token(node, item, asked_at)
        return found

    def compare_and_set_many(
        self, items: Mapping[str, tuple[Any, object, float]], version: int | None = None
    ) -> dict[str, bool]:
        """Store each value, given with its token and timeout, in one round trip a node.

        Return for each what `compare_and_set` would. Raise CacheUnreachable if any node did not
        answer; others may be stored all the same.
        """
        names = {self._wire_key(key, version): key for key in items}
        stores = {}
        for wire, key in names.items():
            value, token, timeout = items[key]
            command = StoreCommand(wire, *encode(value))
            stores[wire] = command, _checked(token), self.get_backend_timeout(timeout)
        stored = dict.fromkeys(items, False)
        for node, wire, answer in self._compare_and_store_each("compare_and_set_many", stores):
            stored[names[wire]] = self._is_stored(node, "compare_and_set_many", answer)
        return stored

    def compare_and_delete_many(
        self, tokens: Mapping[str, object], version: int | None = None
    ) -> None:
        """Delete each key whose token's value is still there, in one round trip a node.

        Raise CacheUnreachable if any node did not answer; others may be deleted all the same.
        """
        wires = {self._wire_key(key, version): _checked(token) for key, token in tokens.items()}
        stores = {wire: (StoreCommand(wire, 0, b""), token, -1) for wire, token in wires.items()}
        for _ in self._compare_and_store_each("compare_and_delete_many", stores):
            pass

    def _compare_and_store_each(
        self, operation: str, stores: Mapping[bytes, tuple[StoreCommand, Token, int]]
    ) -> Iterator[tuple[Node, bytes, bytes]]:
        """Yield the servers' answers; a key that has moved to another node since gets none."""
        for node, wires in self._placed(stores).items():
            mine = [stores[wire] for wire in wires if stores[wire][1].node is node]
            if mine:
                answers = node.run(operation, compare_and_store_each, mine)
                yield from ((node, wire, answer) for wire, answer in answers.items())

    def _placed(self, wires: Collection[bytes]) -> ring.KeysByNode:
        """Return the keys by their nodes; raise CacheUnreachable if any has no node now."""
        if not wires:
            return {}
        by_node, unplaced = self._nodes.split(wires)
        if unplaced is not None:
            raise unplaced
        return by_node

    def _compare_and_store(
        self, operation: str, command: StoreCommand, token: object, expire: int
    ) -> bool:
        seen = _checked(token)
        node = self._nodes.node_for(command.key)
        if node is not seen.node:
            # The number means nothing to another node, which may have given it to another value.
            return False
        answer = node.run(operation, compare_and_store, command, seen, expire)
        return self._is_stored(node, operation, answer)

    # -- storing -----------------------------------------------------------------------------------

    def set(  # type: ignore[override]  # tells more than Django's None
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value. Return False if it was refused or the node did not answer.

        Raise TypeError, with nothing left under the key, for a value that can't be kept.
        """
        try:
            return self.set_or_raise(key, value, timeout, version)
        except CacheUnreachable:
            return False

    def set_or_raise(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value. Return False if it was refused, for instance for its size.

        What was there before is gone then. Raise CacheUnreachable if the node did not answer.
        """
        return self._store(b"set", key, value, timeout, version)

    def add(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value if nothing is there. Return False otherwise, or if it can't be known."""
        try:
            return self.add_or_raise(key, value, timeout, version)
        except CacheUnreachable:
            return False

    def add_or_raise(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store the value if nothing is there. Return False if something is, or it was refused.

        Raise CacheUnreachable if the node did not answer; the value may be stored all the same.
        """
        return self._store(b"add", key, value, timeout, version)

    def add_many_or_raise(
        self, items: Mapping[str, tuple[Any, float]], version: int | None = None
    ) -> dict[str, bool]:
        """Store each value, with its timeout, where nothing is there; in one round trip a node.

        Return for each whether it was stored. Raise CacheUnreachable if any node did not answer;
        others may be stored all the same.
        """
        names = {self._wire_key(key, version): key for key in items}
        # All of them before any is sent: one that can't be kept leaves none of the others there.
        commands = {}
        for wire, key in names.items():
            value, timeout = items[key]
            command = StoreCommand(wire, *encode(value))
            commands[wire] = (command, self.get_backend_timeout(timeout), b"")
        stored: dict[str, bool] = {}
        for node, wires in self._placed(names).items():
            share = [commands[wire] for wire in wires]
            answers = node.run("add_many", Connection.store_each, b"add", share)
            for wire, answer in zip(wires, answers, strict=True):
                stored[names[wire]] = self._is_stored(node, "add_many", answer)
        return stored

    def _store(self, verb: bytes, key: str, value: Any, timeout: Any, version: int | None) -> bool:
        wire = self._wire_key(key, version)
        try:
            command = StoreCommand(wire, *encode(value))
        except Exception:
            if verb == b"set":
                self._discard_all([wire])
            raise
        node = self._nodes.node_for(wire)
        operation = verb.decode()
        answers = node.run(
            operation, Connection.store, verb, (command,), self.get_backend_timeout(timeout)
        )
        stored = self._is_stored(node, operation, answers[0])
        if not stored and verb == b"set":
            self._discard(node, [wire])
        return stored

    def _discard_all(self, wires: Collection[bytes]) -> None:
        """Delete `wires`, in one round trip a node.

        After a refusal too: the caller has done with what was there. Django's session backend logs
        the refusal and goes on; the next request would find the old session, and save it over the
        newer one in the database.
        """
        for node, share in self._nodes.split(wires)[0].items():
            self._discard(node, share)

    def _discard(self, node: Node, wires: Collection[bytes]) -> None:
        with suppress(CacheUnreachable):
            if wires:
                node.run("delete_many", Connection.discard, list(wires))

    def _is_stored(self, node: Node, operation: str, answer: bytes) -> bool:
        if answer.startswith(b"SERVER_ERROR"):
            report(node.name, operation, Trouble.REFUSED)
        return answer == b"STORED"

    def set_many(
        self,
        data: Mapping[str, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[str]:
        """Store the values. Return the keys of those that were refused or not answered for.

        Raise TypeError, with nothing left under any of the keys, if one value can't be kept.
        """
        names = {self._wire_key(key, version): key for key in data}
        try:
            commands = {wire: StoreCommand(wire, *encode(data[key])) for wire, key in names.items()}
        except Exception:
            self._discard_all(names)
            raise
        expire = self.get_backend_timeout(timeout)
        by_node, _ = self._nodes.split(names)
        failed = dict(names)
        for node, wires in by_node.items():
            share = [commands[wire] for wire in wires]
            try:
                answers = node.run("set_many", Connection.store, b"set", share, expire)
            except CacheUnreachable:
                continue
            refused = []
            for wire, answer in zip(wires, answers, strict=True):
                if self._is_stored(node, "set_many", answer):
                    del failed[wire]
                else:
                    refused.append(wire)
            self._discard(node, refused)
        return list(failed.values())

    # -- the rest ----------------------------------------------------------------------------------

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Give the key a new timeout. Return False if nothing is there, or no node answered."""
        expire = self.get_backend_timeout(timeout)
        wire = self._wire_key(key, version)
        return self._degrade("touch", wire, Connection.touch, wire, expire) or False

    def delete(self, key: str, version: int | None = None) -> bool:
        """Delete the key. Return False if nothing was there, or no node answered."""
        wire = self._wire_key(key, version)
        return self._degrade("delete", wire, Connection.delete, wire) or False

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add `delta` to the number there, and return the sum; below 0 memcached stays at 0.

        Raise ValueError if nothing is there, no node answered, or it is no number from 0 up.
        """
        wire = self._wire_key(key, version)
        try:
            value = self._degrade("incr", wire, Connection.count, wire, delta)
        except NotANumber as error:
            raise ValueError(f"Key {key!r} does not hold a number from 0 up: {error}") from error
        if value is None:
            raise ValueError(f"Key {key!r} not found")
        return value

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        """Delete the keys, in one round trip a node."""
        self._discard_all([self._wire_key(key, version) for key in keys])

    def clear(self) -> None:
        """Empty every node that answers, of all keys whatever their prefix."""
        for node in self._nodes.nodes:
            with suppress(CacheUnreachable):
                node.run("clear", Connection.flush_all)

    def _degrade(
        self, operation: str, wire: bytes, command: Callable[..., T], *args: object
    ) -> T | None:
        try:
            return self._nodes.node_for(wire).run(operation, command, *args)
        except CacheUnreachable:
            return None


def _checked(token: object) -> Token:
    if not isinstance(token, Token):
        raise TypeError(f"Not a token of this backend: {token!r}")
    return token
