"""Reads each request's body before Django sees it: whole, bounded in bytes, and by a deadline.

A thread that reads from a sender who sends one byte at a time is held for as long as the sender
likes, and with every thread held no probe is answered. So a helper thread reads, the request's
thread waits for it until the deadline, and requests with a body hold a share of all threads at
most. A chunked body, which has no length that Django could go by, becomes an ordinary one.
"""

import io
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from coordinator.web import problems

logger = logging.getLogger(__name__)

_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: What a request of these methods carries is never read.
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REFUSAL: Final = "coordinator.refusal"
#: How long a request waits for its turn while those before it are being worked on.
_TURN_SECONDS: Final = 0.5
#: Helper threads that still wait for senders which were given up. The server can't be told to end
#: a connection (Granian 2.8): its thread is idle until the sender goes on, ends, or hangs up.
_MOST_GIVEN_UP: Final = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body was not read, and what to say of it."""

    status: HTTPStatus
    reason: str
    detail: str


TOO_LARGE: Final = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", "The body is too large."
)
LATE: Final = Refusal(HTTPStatus.REQUEST_TIMEOUT, "body_late", "The body did not arrive in time.")
INCOMPLETE: Final = Refusal(
    HTTPStatus.BAD_REQUEST, "body_incomplete", "The body is not the one that was announced."
)
BUSY: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "bodies_busy", "Too many bodies at once. Try again."
)


class Turns:
    """Admits so many requests at a time, and knows how many of them wait for their senders."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._admitted = 0
        self._reading = 0
        self._given_up = 0
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, patience_seconds: float = _TURN_SECONDS) -> Iterator[bool]:
        """Yield True with a turn of one's own, False without any.

        Waits for a turn while one of those before is being worked on: that ends soon. Where all
        wait for their senders, there is nothing to wait for.
        """
        with self._changed:
            self._changed.wait_for(self._is_decided, patience_seconds)
            mine = self._admitted < self._most and self._given_up < _MOST_GIVEN_UP
            self._admitted += mine
        try:
            yield mine
        finally:
            self._note(admitted=-mine)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count the block as waiting for a sender."""
        self._note(reading=1)
        try:
            yield
        finally:
            self._note(reading=-1)

    def give_up(self, by: int) -> None:
        """Take note that a helper thread was left to its sender (1), or has come back (-1)."""
        self._note(given_up=by)

    def _is_decided(self) -> bool:
        return (
            self._admitted < self._most
            or self._reading >= self._most
            or self._given_up >= _MOST_GIVEN_UP
        )

    def _note(self, *, admitted: int = 0, reading: int = 0, given_up: int = 0) -> None:
        with self._changed:
            self._admitted += admitted
            self._reading += reading
            self._given_up += given_up
            self._changed.notify_all()


class _Reading:
    """One body on its way, read by a helper thread."""

    def __init__(self, stream: Any, most_bytes: int, turns: Turns) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._turns = turns
        self._body = b""
        self._failed = False
        self._ended = False
        self._left = False
        self._changed = threading.Condition()
        # A daemon: the process does not wait for a sender when it ends.
        threading.Thread(target=self._read, name="body", daemon=True).start()

    def wait(self, timeout_seconds: float) -> bytes | Refusal:
        """Return the body, or why there is none; leave the helper to itself after the time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended, timeout_seconds):
                self._left = True
                self._turns.give_up(1)
                return LATE
        if self._failed:
            return INCOMPLETE
        return TOO_LARGE if len(self._body) > self._most_bytes else self._body

    def _read(self) -> None:
        try:
            # One more than may be: no more of it is ever held.
            self._body = self._stream.read(self._most_bytes + 1)
        except Exception:  # noqa: BLE001  # whatever the server raises when a sender hangs up
            self._failed = True
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            if self._left:
                self._turns.give_up(-1)


class BoundedBodies:
    """A WSGI application around another one, which finds every body in memory.

    At most `most_requests` with a body are served at a time, each body has `most_bytes` at most and
    `timeout_seconds` to arrive. What is refused reaches `application` without its body, for
    `answer_refused` to answer.
    """

    def __init__(
        self,
        application: _Application,
        *,
        most_requests: int,
        most_bytes: int,
        timeout_seconds: float,
    ) -> None:
        self._application = application
        self._turns = Turns(most_requests)
        self._most_bytes = most_bytes
        self._timeout = timeout_seconds

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] in _WITHOUT_BODY:
            return self._application(_with_body(environ, b""), start_response)
        with self._turns.admitted() as mine:
            found = self._read(environ) if mine else BUSY
            if isinstance(found, Refusal):
                environ[_REFUSAL] = found
                found = b""
            return self._application(_with_body(environ, found), start_response)

    def _read(self, environ: dict[str, Any]) -> bytes | Refusal:
        try:
            announced = int(environ.get("CONTENT_LENGTH") or -1)
        except ValueError:
            return INCOMPLETE
        if announced > self._most_bytes:
            return TOO_LARGE
        with self._turns.reading():
            body = _Reading(environ["wsgi.input"], self._most_bytes, self._turns).wait(
                self._timeout
            )
        if isinstance(body, bytes) and announced >= 0 and len(body) != announced:
            return INCOMPLETE
        return body


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ


def answer_refused(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that answers requests whose body was refused, and hands on the rest."""

    def middleware(request: HttpRequest) -> HttpResponse:
        refusal = request.META.get(_REFUSAL)
        if refusal is None:
            return get_response(request)
        logger.warning(
            "request.refused", extra={"reason": refusal.reason, "status": int(refusal.status)}
        )
        busy = refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
        headers = {"Retry-After": problems.retry_after(1)} if busy else None
        return problems.problem(refusal.status, refusal.detail, headers)

    return middleware
