"""What upstream answered, and what its status means to whoever needed a success."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnauthorized,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end. Header names are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body's JSON; raise UpstreamBadAnswer if it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Not chained: its text quotes what it could not read.
            raise UpstreamBadAnswer("not JSON") from None

    def check(self) -> None:
        """Return if upstream did what it was asked (2xx); raise UpstreamError if it refused."""
        if HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        detail = f"status {self.status}"
        if self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise UpstreamNotFound(detail)
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise UpstreamUnauthorized(detail)
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise UpstreamRejected(detail)
        # A redirect is not followed: it would take the credentials along.
        raise UpstreamBadAnswer(detail)
