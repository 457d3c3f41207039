"""Error answers as RFC 9457 problem documents, built in one place.

No document carries the address asked for, the caller's input or an exception's text: the one for a
payment that belongs to another user is, byte for byte, the one for a number that doesn't exist.
"""

import json
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

CONTENT_TYPE: Final = "application/problem+json"

NOT_FOUND_DETAIL: Final = "There is no such resource, or it isn't yours."
UNAVAILABLE_DETAIL: Final = "This can't be answered right now. Try again after the time given."
#: Where the error doesn't say how long to wait.
RETRY_AFTER_SECONDS: Final = 5.0


def problem(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return the problem document for `status`; its type is about:blank, its title the phrase."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    # An error is about one moment and one caller.
    sent = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(
        json.dumps(body).encode(), status=status, content_type=CONTENT_TYPE, headers=sent
    )


def not_found() -> HttpResponse:
    """Return the one 404: for what doesn't exist and for what isn't the caller's."""
    return problem(HTTPStatus.NOT_FOUND, NOT_FOUND_DETAIL)


def unavailable(retry_after_seconds: float | None = None) -> HttpResponse:
    """Return a 503 that says when to try again, in whole seconds as the header wants them."""
    headers = {"Retry-After": retry_after(retry_after_seconds)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE_DETAIL, headers)


def retry_after(seconds: float | None) -> str:
    """Return the value of a Retry-After header: whole seconds, rounded up, at least one."""
    return str(max(1, math.ceil(RETRY_AFTER_SECONDS if seconds is None else seconds)))


def handler(status: int) -> Callable[..., HttpResponse]:
    """Return a root error handler (``handler404`` and its like) that answers with a problem."""

    # Django passes the exception by that name, and to handler500 none at all.
    def answer(_: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # a handler for all
        if status == HTTPStatus.NOT_FOUND:
            return not_found()
        return problem(status)

    return answer
