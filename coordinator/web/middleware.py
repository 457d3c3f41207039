"""Gives each request a correlation id, and each answer the security headers."""

from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse

from coordinator import correlation

#: Everything of the admin and of the API's page comes from here; that page and Swagger UI bring
#: styles of their own and draw their icons from data: addresses.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_SECURITY: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def secure(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that gives every answer, probes and errors too, its security headers.

    Django's own middlewares stand behind the one that answers probes, and set none of them there.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in _SECURITY.items():
            response.setdefault(name, value)
        return response

    return middleware


def correlate(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware: the id that the caller sent, or a new one where it sent none."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with correlation.bind(request.headers.get(correlation.HEADER, "")) as identifier:
            response = get_response(request)
            response[correlation.HEADER] = identifier
            return response

    return middleware
