"""Receives the provider's webhooks: ``POST /webhooks/<provider>/``.

Cheap checks first (method, type, size), then the signature over the raw bytes, and only then is the
body parsed into a `ProviderEvent`. `receive` hands that to `record_change` (after asking upstream
for what the event doesn't tell). 200 means committed, or knowingly ignored, or known already;
anything else makes the provider send it again. No body, signature or secret is ever logged.
"""

import logging
import time
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from coordinator import ChangeRefused, IdentifierTaken, correlation
from coordinator.causes import cause
from coordinator.errors import CoordinatorError
from coordinator.payments import providers
from coordinator.payments.providers import Ignored
from coordinator.payments.providers.base import WebhookRefused
from coordinator.payments.receiving import receive
from coordinator.web import problems

logger = logging.getLogger(__name__)

_Answer = tuple[HttpResponse, dict[str, object]]


# A provider has no cookie and no form of ours; its signature says who it is.
@csrf_exempt
# With ATOMIC_REQUESTS too, 200 means committed: `record_change` has a transaction of its own.
@transaction.non_atomic_requests
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Answer one delivery; see the module's docstring for what the statuses mean."""
    started = time.perf_counter()
    response, outcome = _answer(request, provider)
    logger.log(
        logging.INFO if response.status_code < HTTPStatus.BAD_REQUEST else logging.WARNING,
        "webhook.answered",
        extra={
            **outcome,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
        },
    )
    return response


def _answer(request: HttpRequest, name: str) -> _Answer:
    provider = providers.current()
    if name != provider.name:
        return problems.not_found(), {"outcome": "unknown_provider"}
    if request.method != "POST":
        allowed = {"Allow": "POST"}
        refused = problems.problem(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST.", allowed)
        return refused, {"outcome": "method"}
    if request.content_type != "application/json":
        return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only application/json.", "type")
    body = _body(request)
    if body is None:
        return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.", "size")
    headers = {key.lower(): value for key, value in request.headers.items()}
    try:
        event = provider.parse_webhook(body, headers)
        if isinstance(event, Ignored):
            return _ignored(event)
        fields: dict[str, object] = {"event_id": event.event_id, "event_type": event.event_type}
        with cause("event"):
            recorded = receive(event, correlation_id=correlation.current())
    except WebhookRefused as error:
        return _refused(error.status, str(error), error.reason)
    except ChangeRefused as error:
        return _refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.reason)
    except IdentifierTaken as error:
        return _refused(HTTPStatus.CONFLICT, str(error.__doc__), error.reason)
    except CoordinatorError as error:
        # Whatever it is: sent again later it may go through, and until then nothing is lost.
        return problems.unavailable(error.retry_after_seconds), {"outcome": error.reason}
    except (DatabaseError, InterfaceError) as error:
        return problems.unavailable(), {"outcome": "database", "kind": type(error).__name__}
    if isinstance(recorded, Ignored):
        return _ignored(recorded)
    outcome = recorded.outcome.value
    return JsonResponse({"outcome": outcome}), {**fields, "outcome": outcome}


def _body(request: HttpRequest) -> bytes | None:
    """Return the raw body, None if it is larger than any event: judged before it is read."""
    most: int = settings.COORDINATOR_WEBHOOK_MAX_BYTES
    try:
        if int(request.headers.get("Content-Length") or 0) > most:
            return None
        body = request.body
    except RequestDataTooBig:
        return None
    except (ValueError, UnreadablePostError):
        # A length that is no number, or a sender that hung up: an empty body has no signature.
        return b""
    # A chunked body has no length to judge by; Django's own limit has bounded it by now.
    return body if len(body) <= most else None


def _refused(status: int, detail: str, reason: str) -> _Answer:
    return problems.problem(status, detail), {"outcome": reason}


def _ignored(event: Ignored) -> _Answer:
    fields: dict[str, object] = {
        "outcome": f"ignored:{event.reason}",
        "event_id": event.event_id,
        "event_type": event.event_type,
    }
    return JsonResponse({"outcome": "ignored", "reason": event.reason}), fields
