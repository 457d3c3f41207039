"""Bodies are read whole, or refused: too large, late, cut short, or one too many at a time."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from coordinator.web import bodies
from coordinator.web.bodies import BUSY, INCOMPLETE, LATE, TOO_LARGE, BoundedBodies, Refusal, Turns

LONG = 60.0
SHORT = 0.01


class Held(io.BytesIO):
    """A body that arrives when it is let go."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(body)
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the body, once it may arrive."""
        self.asked.set()
        assert self.let_go.wait(LONG)
        return super().read(size)


class Broken(io.BytesIO):
    """A body whose sender has hung up."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise what a server raises."""
        raise OSError(size)


def seen(environ: dict[str, Any], _: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what reached the application, as an application."""
    refusal: Refusal | None = environ.get("coordinator.refusal")
    yield refusal.reason.encode() if refusal else b"body:" + environ["wsgi.input"].read()
    yield environ["CONTENT_LENGTH"].encode()


def bounded(most_requests: int = 2, timeout_seconds: float = LONG) -> BoundedBodies:
    return BoundedBodies(
        seen, most_requests=most_requests, most_bytes=10, timeout_seconds=timeout_seconds
    )


def served(application: BoundedBodies, stream: io.BytesIO, **environ: str) -> list[bytes]:
    """Return what the application saw of a request with this body."""
    request = {"REQUEST_METHOD": "POST", "wsgi.input": stream, **environ}
    return list(application(request, lambda *_: None))


def test_a_body_reaches_the_application_with_its_length() -> None:
    whole = served(bounded(), io.BytesIO(b"{}"), CONTENT_LENGTH="2")
    chunked = served(bounded(), io.BytesIO(b"{}"), HTTP_TRANSFER_ENCODING="chunked")
    assert whole == chunked == [b"body:{}", b"2"]


def test_a_request_that_carries_none_is_served_though_all_turns_are_taken() -> None:
    held = Held()
    application = bounded(most_requests=1)
    waiting = threading.Thread(target=served, args=(application, held))
    waiting.start()
    held.asked.wait()
    # Its body is not asked for: it would never arrive.
    assert served(application, Held(), REQUEST_METHOD="GET") == [b"body:", b"0"]
    held.let_go.set()
    waiting.join()


@pytest.mark.parametrize(
    ("stream", "length", "why"),
    [
        (Held(), "11", TOO_LARGE),
        (io.BytesIO(b"x" * 11), "", TOO_LARGE),
        (io.BytesIO(b"x"), "2", INCOMPLETE),
        (io.BytesIO(b"x"), "two", INCOMPLETE),
        (Broken(), "2", INCOMPLETE),
        (Held(), "2", LATE),
    ],
)
def test_a_body_is_refused(stream: io.BytesIO, length: str, why: Refusal) -> None:
    application = bounded(timeout_seconds=SHORT if why is LATE else LONG)
    assert served(application, stream, CONTENT_LENGTH=length) == [why.reason.encode(), b"0"]


def test_a_body_that_was_given_up_holds_no_turn() -> None:
    application = bounded(most_requests=1, timeout_seconds=SHORT)
    held = Held()
    assert served(application, held)[0] == LATE.reason.encode()
    assert served(application, io.BytesIO(b"{}"))[0] == b"body:{}"
    held.let_go.set()


def test_where_all_wait_for_their_senders_the_next_is_refused_at_once() -> None:
    turns = Turns(1)
    with turns.admitted() as first, turns.reading(), turns.admitted(LONG) as second:
        assert first
        assert not second


def test_where_one_is_worked_on_the_next_waits_for_its_turn() -> None:
    turns, done, found = Turns(1), threading.Event(), []

    def next_one() -> None:
        with turns.admitted(LONG) as mine:
            found.append((mine, done.is_set()))

    waiting = threading.Thread(target=next_one)
    with turns.admitted() as first, turns.admitted(SHORT) as impatient:
        assert first
        assert not impatient
        waiting.start()
        done.set()
    waiting.join()
    assert found == [(True, True)]


def test_no_more_senders_are_given_up_than_there_may_be_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_MOST_GIVEN_UP", 1)
    application = bounded(timeout_seconds=SHORT)
    held = Held()
    assert served(application, held)[0] == LATE.reason.encode()
    assert served(application, io.BytesIO(b"{}"))[0] == BUSY.reason.encode()
    held.let_go.set()
    while served(application, io.BytesIO(b"{}"))[0] != b"body:{}":
        pass
