"""The product's application, and beside it, in the same server, what it is compared with."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

# First: it sets Django up.
from coordinator.wsgi import application as product  # isort: skip

from bench import things

#: Addresses below this one are answered by Django without any middleware.
BARE = "/bench/bare/"

_BYTES = things.payload("BENCH-0", 600)
# As many, and as long, as a warm answer's.
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Cookie",
    "ETag": '"c6a8abe00a5c006d802a2da0"',
    "Age": "0",
    "Cache-Status": 'Coordinator; hit; ttl=1799; key="payment.GET-0.succeeded"',
    "Payment-Revision": "1",
    "Server-Timing": 'admit;dur=0.02, read;dur=0.03;desc="hit"',
    "Allow": "GET, HEAD",
    "X-Frame-Options": "DENY",
    "Content-Length": str(len(_BYTES)),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Correlation-ID": "e030ee1265954483ba7a65c3dba49639",
}


def constant(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001  # Django's view
    """Return the same bytes with the same headers each time."""
    return HttpResponse(_BYTES, content_type="application/json", headers=HEADERS)


class BareHandler(WSGIHandler):
    """Django with one view, and no middleware."""

    class Urls:
        """What Django takes for a module of addresses."""

        urlpatterns = (path(f"{BARE[1:]}<str:number>/", constant),)

    def load_middleware(self, is_async: bool = False) -> None:  # Django's
        """Load none."""
        theirs, settings.MIDDLEWARE = settings.MIDDLEWARE, []
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = theirs

    def resolve_request(self, request: HttpRequest) -> Any:
        """Find the view among our own addresses."""
        request.urlconf = self.Urls  # type: ignore[assignment]  # Django takes any object
        return super().resolve_request(request)


bare = BareHandler()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by the product, or without any middleware."""
    if environ["PATH_INFO"].startswith(BARE):
        return bare(environ, start_response)
    return product(environ, start_response)
