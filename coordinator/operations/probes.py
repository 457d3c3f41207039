"""``/healthz``, ``/readyz`` and ``/metrics``: what machines ask, every few seconds.

They are asked for under whatever name or address the asker knows, without a cookie, and must answer
while the rest can't: `answer_probes` therefore stands before all that looks at hosts, sessions or
users. A request with a session's cookie goes the long way, which knows members of staff.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from coordinator.operations import access
from coordinator.operations.health.reporting import report
from coordinator.operations.metrics import exposing
from coordinator.web import problems

_NOT_KEPT: Final = {"Cache-Control": "no-store"}


@require_safe
def healthz(_: HttpRequest) -> HttpResponse:
    """Answer that this process lives, and ask no server: a restart would not mend one."""
    return JsonResponse({"status": "ok"}, headers=_NOT_KEPT)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process should get traffic, 503 if not; with details for operators."""
    shown = _is_staff(request) or _may_look(request)
    found = report(everything=shown)
    status = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
    content = found.detailed() if shown else found.brief()
    return JsonResponse(content, status=status, headers=_NOT_KEPT)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, to a request with the token or from this machine."""
    if not (_may_look(request) or _is_staff(request)):
        if settings.COORDINATOR_OPERATIONS_TOKEN:
            return problems.problem(
                HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": 'Bearer realm="metrics"'}
            )
        return problems.problem(HTTPStatus.FORBIDDEN)
    shown = exposing.expose(request.headers.get("Accept", ""))
    return HttpResponse(shown.body, content_type=shown.content_type, headers=_NOT_KEPT)


PROBES: Final[Mapping[str, Callable[[HttpRequest], HttpResponse]]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics,
}


def answer_probes(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that answers probes, and hands on everything else."""

    def middleware(request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info)
        if probe is None or settings.SESSION_COOKIE_NAME in request.COOKIES:
            return get_response(request)
        return probe(request)

    return middleware


def _may_look(request: HttpRequest) -> bool:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return access.may_look(request.META.get("REMOTE_ADDR", ""), headers)


def _is_staff(request: HttpRequest) -> bool:
    # On the short way the user is not looked up.
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.is_staff
