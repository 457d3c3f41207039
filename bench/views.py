"""What a request through the whole stack is compared with."""

from typing import Any

from django.core.cache import caches  # noqa: TID251  # the peer is Django's cache itself
from django.http import HttpRequest, HttpResponse
from django.utils.connection import ConnectionProxy
from edx_django_utils.cache import utils  # noqa: TID251  # what TieredCache sits on
from edx_rest_framework_extensions.auth.jwt.authentication import JwtAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench import things
from bench.peers import tiered
from coordinator.core import resource
from coordinator.core.read import read
from coordinator.payments.api.views import ReadView

# A stock project has Django's own backend, one a thread, under the alias that TieredCache uses.
utils.django_cache = ConnectionProxy(caches, "django")

_BYTES = things.payload("BENCH-0", 600)


class ConstantView(ReadView):
    """The product's own view, same authentication, permissions and throttle, without the read."""

    schema = None

    def get(self, *_: Any, **__: Any) -> HttpResponse:
        """Return the same bytes each time."""
        return HttpResponse(_BYTES, content_type="application/json")


class OpenEdxView(APIView):
    """What Open edX's service did: their JWT authentication, two cached states, a serializer."""

    authentication_classes = (JwtAuthentication,)
    permission_classes = (IsAuthenticated,)
    schema = None

    def get(self, _: Request, number: str) -> Response:
        """Return the validated details."""
        return Response(tiered.old_pattern(f"{number}-b"))


def stock_cache(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001  # Django's view
    """Ask the cache once through Django's backend, as any project does."""
    return HttpResponse(str(caches["django"].get(number)))


def our_cache(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001  # Django's view
    """Ask the cache once through a warm read."""
    return HttpResponse(read(resource.get("payment"), number).outcome.value)
