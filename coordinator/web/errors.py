"""Turns whatever a view raises into a problem document: DRF's exception handler for this API."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from coordinator.core.keys import InvalidIdentifier
from coordinator.errors import CoordinatorError
from coordinator.web import problems

logger = logging.getLogger(__name__)

_DETAILS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Send a valid token: Authorization: JWT <token>.",
    HTTPStatus.FORBIDDEN: "This credential may not be used here.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes other methods: see Allow.",
    HTTPStatus.NOT_ACCEPTABLE: "Answers are application/json.",
    HTTPStatus.TOO_MANY_REQUESTS: "The limit for this minute is used up.",
    HTTPStatus.BAD_GATEWAY: "The payment provider gave an answer that can't be used.",
}


class BadQuery(exceptions.APIException):
    """The query string can't be understood; the detail says how it should be."""

    status_code = HTTPStatus.BAD_REQUEST


def handle(error: Exception, _: Mapping[str, Any]) -> HttpResponse | None:
    """Return the problem document for `error`, or None if it is a bug."""
    match error:
        case Http404() | exceptions.NotFound():
            return problems.not_found()
        case CoordinatorError() | OperationalError() | InterfaceError() | InternalError():
            return answer(error)
        case PermissionDenied():
            return _problem(HTTPStatus.FORBIDDEN)
        case BadQuery():
            return problems.problem(error.status_code, str(error.detail))
        case exceptions.APIException():
            return _problem(error.status_code, _headers(error))
    return None


def answer(
    error: CoordinatorError | OperationalError | InterfaceError | InternalError,
) -> HttpResponse:
    """Return the problem document for what a read met.

    InternalError is what a driver raises when the server takes no writes, as after a failover.
    """
    if isinstance(error, InvalidIdentifier):
        return problems.not_found()
    if isinstance(error, CoordinatorError):
        return _not_now(error)
    logger.error("database.failed", extra={"kind": type(error).__name__})
    return problems.unavailable()


def throttled(wait_seconds: float) -> HttpResponse:
    """Return the 429 of a reader whose minute is used up."""
    return _problem(
        HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": problems.retry_after(wait_seconds)}
    )


def _not_now(error: CoordinatorError) -> HttpResponse:
    """Return 502 where trying again can't help, and otherwise when to try again."""
    logger.warning("read.failed", extra={"reason": error.reason, "permanent": error.permanent})
    if error.permanent:
        return _problem(HTTPStatus.BAD_GATEWAY)
    return problems.unavailable(error.retry_after_seconds)


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    # DRF puts these on the exception before it calls the handler.
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = problems.retry_after(wait)
    return headers


def _problem(status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return problems.problem(status, _DETAILS.get(status, ""), headers)
