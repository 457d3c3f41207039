"""Binds a correlation id to each request and sends it back, so that both sides can find it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from coordinator import correlation


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
