"""What a request through the whole stack is compared with."""

from typing import Any

from django.core.cache import caches  # noqa: TID251  # the peer is Django's cache itself
from django.http import HttpRequest, HttpResponse

from bench import things
from coordinator.core import resource
from coordinator.core.read import read
from coordinator.payments.api.views import ReadView

_BYTES = things.payload("BENCH-0", 600)


class ConstantView(ReadView):
    """The product's own view, same authentication, permissions and throttle, without the read."""

    schema = None

    def get(self, *_: Any, **__: Any) -> HttpResponse:
        """Return the same bytes each time."""
        return HttpResponse(_BYTES, content_type="application/json")


def stock_cache(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001  # Django's view
    """Ask the cache once through Django's backend, as any project does."""
    return HttpResponse(str(caches["django"].get(number)))


def our_cache(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001  # Django's view
    """Ask the cache once through a warm read."""
    return HttpResponse(read(resource.get("payment"), number).outcome.value)
