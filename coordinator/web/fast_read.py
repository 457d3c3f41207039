"""Answers ``GET <address><number>/`` without the parts of Django and DRF that it does not need.

The answer is, byte for byte, that of the address's DRF view, by the same functions: reading,
throttling, headers, problem documents. A request comes this way when its token was verified lately
(`token_memory`) and it is plain: no cookie, no query, JSON accepted, a host that is allowed. Any
other request goes the long way, which alone verifies tokens.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.signals import setting_changed
from django.db import InterfaceError, OperationalError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from coordinator.core import cache, clock, resource
from coordinator.core.read import Outcome, read
from coordinator.errors import CoordinatorError
from coordinator.web import answers, errors, problems, throttling, token_memory
from coordinator.web.readers import Reader, reader_by, sent_token

Handler = Callable[[HttpRequest], HttpResponse]

_ACCEPTED: Final = frozenset({"", "*/*", "application/json", "application/*"})
_MOST_HOSTS: Final = 1_000

_addresses: dict[str, str] = {}
# Host headers that ALLOWED_HOSTS admits: checking one costs as much as the warm read.
_hosts: set[str] = set()
_headers: dict[bool, dict[str, str]] = {}


def serve(address: str, resource_name: str) -> None:
    """Answer reads of ``<address><number>/`` with the resource of this name."""
    _addresses[address] = resource_name


def answer_reads(get_response: Handler) -> Handler:
    """Return a middleware that answers plain reads, and hands on everything else."""

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = _answer(request)
        return get_response(request) if answer is None else answer

    return middleware


def _answer(request: HttpRequest) -> HttpResponse | None:
    began = perf_counter()
    address, _, number = request.path_info[:-1].rpartition("/")
    name = _addresses.get(f"{address}/")
    if name is None or not number or not _is_plain(request):
        return None
    token = sent_token(request.META)
    known = token_memory.recall(token) if token else None
    if known is None or known.claims.get("is_restricted"):
        return None
    reader = reader_by(known.user, known.claims)
    if reader.is_staff:
        # What staff read of others is logged: the long way does it.
        return None
    response = _throttled(reader) or _read(request, name, number, reader, began)
    for header, value in _constant_headers(secure=request.is_secure()).items():
        response.headers.setdefault(header, value)
    # As CommonMiddleware does; without it a server has to send the body in chunks.
    response.headers["Content-Length"] = str(len(response.content))
    return response


def _is_plain(request: HttpRequest) -> bool:
    meta = request.META
    return (
        request.method == "GET"
        and request.path_info[-1] == "/"
        and not meta.get("QUERY_STRING")
        and not meta.get("HTTP_COOKIE")
        and meta.get("HTTP_ACCEPT", "") in _ACCEPTED
        and (request.is_secure() or not settings.SECURE_SSL_REDIRECT)
        and _is_host_allowed(request)
    )


def _is_host_allowed(request: HttpRequest) -> bool:
    host = request.META.get("HTTP_HOST", "")
    if host in _hosts and not settings.USE_X_FORWARDED_HOST:
        return True
    try:
        request.get_host()
    except DisallowedHost:
        # The long way answers it, and logs it.
        return False
    if len(_hosts) < _MOST_HOSTS:
        _hosts.add(host)
    return True


def _throttled(reader: Reader) -> HttpResponse | None:
    wait = throttling.admit(reader)
    return None if wait is None else errors.throttled(wait)


def _read(
    request: HttpRequest, name: str, number: str, reader: Reader, began: float
) -> HttpResponse:
    # As RequestCacheMiddleware does: this thread has served other requests.
    cache.clear_request_tier()
    admitted = perf_counter()
    try:
        lookup = read(resource.get(name), number, allowed=reader.may_read)
    except (CoordinatorError, OperationalError, InterfaceError) as error:
        return errors.answer(error)
    finally:
        cache.clear_request_tier()
    if lookup.entry is None or lookup.outcome is Outcome.DENIED:
        return problems.not_found()
    now = perf_counter()
    timing = answers.Timing(admit=(admitted - began) * 1000, read=(now - admitted) * 1000)
    return answers.one(request, lookup, lookup.entry, clock.current().now(), timing)


def _constant_headers(*, secure: bool) -> dict[str, str]:
    """Return the headers that the middlewares of the long way add to each answer."""
    known = _headers.get(secure)
    if known is None:
        request, response = HttpRequest(), HttpResponse()
        if secure:
            request.META["wsgi.url_scheme"] = "https"
            request.is_secure = lambda: True  # type: ignore[method-assign]  # of this one alone
        for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
            response = middleware(lambda _: HttpResponse()).process_response(request, response)
        known = {k: v for k, v in response.headers.items() if k != "Content-Type"}
        _headers[secure] = known | {"Allow": "GET, HEAD", "Vary": "Cookie"}
    return _headers[secure]


@receiver(setting_changed, dispatch_uid="coordinator.web.fast_read")
def _forget(setting: str, **_: object) -> None:
    if setting in {"ALLOWED_HOSTS", "USE_X_FORWARDED_HOST"}:
        _hosts.clear()
    elif setting.startswith(("SECURE_", "X_FRAME_")):
        _headers.clear()
