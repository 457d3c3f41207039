"""Upstream's answers, and which error each status is for a caller that needs a success."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

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


# What msgspec puts into backticks is the schema's; a value stands in single quotes.
_NAMED: Final = re.compile(r"`([^`]+)`")


def wrong_field(error: msgspec.ValidationError) -> str:
    """Return which field is missing or wrong, by names, types and path alone: never a value."""
    return ", ".join(_NAMED.findall(str(error))) or "another form"
