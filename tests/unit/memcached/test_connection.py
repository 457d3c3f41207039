"""A connection takes only whole answers to its own questions, however they arrive."""

import socket
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymemcache.exceptions import MemcacheUnexpectedCloseError, MemcacheUnknownError

from coordinator.errors import CacheUnreachable
from coordinator.memcached import Trouble
from coordinator.memcached.connection import Connection, StoreCommand
from coordinator.memcached.node import Node
from coordinator.memcached.options import Limits
from tests.support.troubles import Troubles, troubles
from tests.unit.memcached.scripted import scripted_server

LIMITS = Limits(connect_timeout=1.0, timeout=0.3, rest=100.0)
VALUE = b"VALUE key 5 3\r\nabc\r\n"

WRONG = {
    "another question's value": b"VALUE other 5 3\r\nabc\r\nEND\r\n",
    "something after the end": VALUE + b"END\r\nSTORED\r\n",
    "the start of something after the end": VALUE + b"END\r\nV",
    "a value longer than it says": b"VALUE key 5 2\r\nabc\r\nEND\r\n",
    "a value shorter than it says": b"VALUE key 5 4\r\nabc\r\nEND\r\n",
    "a size below zero": b"VALUE key 5 -19\r\nabc\r\nEND\r\n",
    "a size that leads back to where it stands": VALUE + b"VALUE key 5 -19\r\n",
    "no size": b"VALUE key 5\r\nabc\r\nEND\r\n",
    "a size that is no number": b"VALUE key 5 x\r\nabc\r\nEND\r\n",
    "flags that are no number": b"VALUE key x 3\r\nabc\r\nEND\r\n",
    "another word": b"STORED\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an unknown command": b"ERROR\r\n",
    "our mistake": b"CLIENT_ERROR line too long\r\n",
    "its own trouble": b"SERVER_ERROR out of memory writing get response\r\n",
    "too many connections": b"ERROR Too many open connections\r\n",
}

__all__ = ["troubles"]  # a fixture


def kinds(troubles: Troubles) -> list[Trouble]:
    return [trouble for _, _, trouble in troubles]


def get(node: Node, key: bytes = b"key") -> object:
    return node.run("get", Connection.fetch, (key,))


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_closes_the_connection_and_nobody_takes_it(
    answer: bytes, troubles: Troubles
) -> None:
    with scripted_server(VALUE + b"END\r\n", answer) as server:
        node = Node(server.address, LIMITS)
        assert get(node) == {b"key": (5, b"abc", b"")}
        with pytest.raises(CacheUnreachable):
            get(node)
        assert server.client_left.wait(5)
    assert kinds(troubles) == [Trouble.PROTOCOL]


@pytest.mark.parametrize(
    "answer",
    [b"NOT_STORED\r\nSTORED\r\n", b"SERVER_ERROR out of order\r\n", b"OK\r\n", b"STORED\r\nX"],
)
def test_a_wrong_answer_to_a_store_is_not_an_answer(answer: bytes, troubles: Troubles) -> None:
    with scripted_server(answer) as server:
        node = Node(server.address, LIMITS)
        with pytest.raises(CacheUnreachable):
            node.run("set", Connection.store, b"set", (StoreCommand(b"key", 0, b"value"),), 0)
        assert server.client_left.wait(5)
    assert kinds(troubles) == [Trouble.PROTOCOL]


def test_half_an_answer_is_none(troubles: Troubles) -> None:
    with scripted_server(VALUE[:-4]) as server:
        with pytest.raises(CacheUnreachable):
            get(Node(server.address, LIMITS))
        assert server.client_left.wait(5)
    assert kinds(troubles) == [Trouble.CLOSED]


def test_a_server_that_answers_nonsense_from_the_start_rests(troubles: Troubles) -> None:
    with scripted_server(b"220 mail.example ESMTP\r\n") as server:
        node = Node(server.address, LIMITS)
        for _ in range(3):
            with pytest.raises(CacheUnreachable):
                get(node)
    assert kinds(troubles) == [Trouble.PROTOCOL, Trouble.RESTING, Trouble.RESTING]


def test_a_server_that_trickles_is_a_server_that_hangs(troubles: Troubles) -> None:
    answer = [b"VALUE key 5 1000\r\n", *[b"x"] * 100]
    with scripted_server(answer) as server:
        began = time.monotonic()
        with pytest.raises(CacheUnreachable, match="trickles"):
            get(Node(server.address, LIMITS))
        assert time.monotonic() - began < LIMITS.timeout * 2 + 0.5
    assert kinds(troubles) == [Trouble.TIMEOUT]


def test_a_closed_connection_is_never_opened_again() -> None:
    with scripted_server(b"VERSION 1\r\n", b"VERSION 1\r\n") as server:
        connection = Connection(server.address, connect_timeout=1, timeout=1)
        assert connection.version() == b"1"
        connection.close()
        for use in (
            connection.version,
            lambda: connection.fetch((b"key",)),
            lambda: connection.delete(b"key"),
            lambda: connection.store(b"set", (StoreCommand(b"key", 0, b""),), 0),
        ):
            with pytest.raises(MemcacheUnexpectedCloseError):
                use()


def test_what_nobody_asked_for_ends_an_idle_connection() -> None:
    with scripted_server([VALUE + b"END\r\n", b"STORED\r\n"]) as server:
        node = Node(server.address, LIMITS)
        get(node)
        connection = node._idle[-1]
        deadline = time.monotonic() + 5
        while connection.is_sound():
            assert time.monotonic() < deadline
            # Nothing announces its arrival: to look is what is tested.
            time.sleep(0.01)
        node.close_idle()


class Recorded(Connection):
    """Reads what the test prepared, in the pieces in which the test cut it."""

    pieces: list[bytes]

    def _receive(self) -> bytes:
        return self.pieces.pop(0)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Recorded("{}:{}".format(*listener.getsockname()), connect_timeout=1, timeout=1)
        yield connection
        connection.close()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({place % len(data) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in pairwise(edges)]


keys = st.from_regex(rb"[a-z]{1,20}", fullmatch=True)
items = st.dictionaries(keys, st.tuples(st.integers(0, 2**32 - 1), st.binary(), st.just(b"")))


@given(items=items, places=st.lists(st.integers(0)))
def test_items_are_the_same_wherever_their_bytes_are_cut(
    recorded: Recorded, items: dict[bytes, tuple[int, bytes, bytes]], places: list[int]
) -> None:
    lines = [
        b"VALUE %b %d %d\r\n%b\r\n" % (key, flags, len(data), data)
        for key, (flags, data, _) in items.items()
    ]
    recorded.pieces = cut(b"".join(lines) + b"END\r\n", places)
    assert recorded.receive_items(items) == items
    assert recorded.pieces == []


@given(places=st.lists(st.integers(0)))
def test_answers_are_the_same_wherever_their_bytes_are_cut(
    recorded: Recorded, places: list[int]
) -> None:
    answers = [b"STORED", b"SERVER_ERROR object too large for cache", b"NOT_STORED", b"EXISTS"]
    recorded.pieces = cut(b"".join(answer + b"\r\n" for answer in answers), places)
    assert recorded._receive_answers(len(answers)) == answers


@given(data=st.binary(min_size=1), places=st.lists(st.integers(0)))
def test_no_bytes_whatever_are_taken_for_a_value_that_was_not_asked_for(
    recorded: Recorded, data: bytes, places: list[int]
) -> None:
    recorded.pieces = [*cut(data, places), b"\r\nEND\r\n"]
    try:
        answer = recorded.receive_items([b"key"])
    except (MemcacheUnknownError, IndexError):
        return
    except Exception as error:  # noqa: BLE001  # pymemcache's, for lines that say ERROR
        assert type(error).__module__ == "pymemcache.exceptions"  # noqa: PT017  # any of them
        return
    assert answer == {}
