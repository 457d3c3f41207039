"""The official stripe library over our client: its API, our pool, budget, breaker and deadline.

``StripeClient(..., http_client=StripeTransport(), max_network_retries=0)``. What upstream is to
blame for (timeouts, 5xx, 429) comes out as UpstreamError, straight through the library; what it
refuses comes out as the library's own errors, which ``translated()`` turns into ours.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import stripe

from coordinator.upstream.answers import Answer
from coordinator.upstream.client import client_for
from coordinator.upstream.errors import (
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)


class StripeTransport(stripe.HTTPClient):
    """What the library sends its requests with."""

    name: ClassVar[str] = "coordinator"

    def request(  # type: ignore[override]  # as RequestsClient does, bytes: the library decodes them
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Return body, status and headers, also of a refusal; raise UpstreamError for the rest."""
        parts = urlsplit(url)
        answer = client_for(f"{parts.scheme}://{parts.netloc}").send(
            method,
            f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
            headers=headers,
            body=post_data,
            ask_again=_ask_again,
        )
        return answer.body, answer.status, answer.headers

    def request_stream(  # type: ignore[override]  # likewise
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
    ) -> tuple[io.BytesIO, int, Mapping[str, str]]:
        """Return the same with the body as a file, read already: its size is bounded."""
        body, status, answered = self.request(method, url, headers, post_data)
        return io.BytesIO(body), status, answered

    def _should_retry(self, *_: object) -> bool:
        """Return False: the client has repeated what was worth it, within the call's time."""
        return False

    def close(self) -> None:
        """Do nothing: the connections belong to the process, and others use them."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the library's errors, in the block, as UpstreamError.

    Their texts stay behind: Stripe's quote the request, down to parts of the key.
    """
    try:
        yield
    except stripe.StripeError as error:
        _raise_ours(error)


def _raise_ours(error: stripe.StripeError) -> NoReturn:
    code = f"{type(error).__name__} {error.code or error.http_status or ''}".rstrip()
    raise _ours(error, code) from None


def _ours(error: stripe.StripeError, code: str) -> UpstreamError:
    match error:
        case stripe.RateLimitError():
            return UpstreamRateLimited(code)
        case stripe.AuthenticationError() | stripe.PermissionError():
            return UpstreamUnauthorized(code)
        case stripe.APIConnectionError():
            return UpstreamUnavailable(code)
        case stripe.SignatureVerificationError():
            return UpstreamBadAnswer(code)
    if error.http_status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return UpstreamNotFound(code)
    if error.http_status is not None and error.http_status >= HTTPStatus.BAD_REQUEST:
        return UpstreamRejected(code)
    return UpstreamBadAnswer(code)


def _ask_again(answer: Answer) -> bool:
    """Return True if Stripe says so, or another request held the object (409)."""
    advice = answer.headers.get("Stripe-Should-Retry", "")
    return advice == "true" or (answer.status == HTTPStatus.CONFLICT and advice != "false")
