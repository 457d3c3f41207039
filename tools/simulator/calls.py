"""One request to the Stripe interface: what every endpoint does alike.

An endpoint is a plain function from a `Call` to a payload. This module reads the form, answers in
JSON with Stripe's headers, turns refusals into Stripe's error bodies, and repeats the first answer
where an Idempotency-Key comes again.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from tools.simulator.errors import StripeError
from tools.simulator.events import Cause
from tools.simulator.forms import Form, check_names, get_texts, parse_form
from tools.simulator.payloads import API_VERSION, Payload
from tools.simulator.provider import Provider

#: Answers kept for repeated Idempotency-Keys, the newest; Stripe keeps them for 24 hours.
MAX_KEPT_ANSWERS = 10_000

#: The payments that a request is about, for counting.
ABOUT: web.RequestKey[list[str]] = web.RequestKey("about", list)
PROVIDER: web.AppKey[Provider] = web.AppKey("provider", Provider)


@dataclass
class Call:
    """What an endpoint gets to know of a request."""

    provider: Provider
    form: Form
    path: Mapping[str, str]
    cause: Cause
    about: list[str] = field(default_factory=list)

    def expanded(self, *known: str) -> list[str]:
        """Return which of the `known` fields shall be expanded, with those that lead to them."""
        wanted: set[str] = set()
        for path in get_texts(self.form, "expand"):
            if path not in known:
                raise StripeError(
                    400,
                    "invalid_request_error",
                    f"This property cannot be expanded ({path}).",
                    param="expand",
                )
            steps = path.split(".")
            wanted.update(".".join(steps[: n + 1]) for n in range(len(steps)))
        return sorted(wanted)


Endpoint = Callable[[Call], Payload]


class KeptAnswers:
    """The answers to requests that had an Idempotency-Key."""

    def __init__(self, limit: int = MAX_KEPT_ANSWERS) -> None:
        """Start empty, to keep at most `limit` answers."""
        self._limit = limit
        self._answers: OrderedDict[str, tuple[str, int, bytes]] = OrderedDict()

    def find(self, key: str, request: str) -> tuple[int, bytes] | None:
        """Return the answer kept for this key, None if there is none.

        Raise Stripe's refusal if the key came with another request than `request` at first.
        """
        if (kept := self._answers.get(key)) is None:
            return None
        asked, status, body = kept
        if asked != request:
            message = "Keys for idempotent requests can only be used with the same parameters."
            raise StripeError(400, "idempotency_error", message)
        return status, body

    def keep(self, key: str, request: str, status: int, body: bytes) -> None:
        """Keep an answer, and forget the oldest one if there are too many."""
        self._answers[key] = (request, status, body)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)


KEPT_ANSWERS: web.AppKey[KeptAnswers] = web.AppKey("kept_answers", KeptAnswers)


def serve(endpoint: Endpoint, *known: str) -> Handler:
    """Return the handler that serves an endpoint which knows these fields besides `expand`."""

    @wraps(endpoint)
    async def handler(request: web.Request) -> web.Response:
        provider = request.app[PROVIDER]
        is_post = request.method == "POST"
        text = await request.text() if is_post else request.query_string
        key = request.headers.get("Idempotency-Key") if is_post else None
        cause = Cause(provider.next_id("req"), key)
        try:
            kept = request.app[KEPT_ANSWERS].find(key, f"{request.path}?{text}") if key else None
            if kept is not None:
                status, body = kept
                return _answer(cause, status, body, replayed=True)
            call = Call(provider, parse_form(text), request.match_info, cause)
            request[ABOUT] = call.about
            check_names(call.form, {*known, "expand"})
            status, body = _run(endpoint, call)
        except StripeError as error:
            return refuse(error, cause)
        if key:
            request.app[KEPT_ANSWERS].keep(key, f"{request.path}?{text}", status, body)
        return _answer(cause, status, body)

    return handler


def refuse(error: StripeError, cause: Cause | None = None) -> web.Response:
    """Return the answer with Stripe's error body."""
    return _answer(cause or Cause(), error.status, _encode({"error": error.body}))


def _run(endpoint: Endpoint, call: Call) -> tuple[int, bytes]:
    """Return the status and body of what the endpoint did.

    A declined card is a refusal which was carried out: it has its events, and is what a repeated
    Idempotency-Key gets. Any other refusal means that nothing was done, and is raised.
    """
    try:
        return 200, _encode(endpoint(call))
    except StripeError as error:
        if error.status != 402:
            raise
        return error.status, _encode({"error": error.body})


def _encode(payload: Payload) -> bytes:
    """Return the payload as JSON."""
    return msgspec.json.encode(payload)


def _answer(cause: Cause, status: int, body: bytes, *, replayed: bool = False) -> web.Response:
    """Return a JSON answer with the headers that Stripe sends."""
    headers = {"Stripe-Version": API_VERSION}
    if cause.request_id:
        headers["Request-Id"] = cause.request_id
    if cause.idempotency_key:
        headers["Idempotency-Key"] = cause.idempotency_key
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
