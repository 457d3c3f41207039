"""What every request to the provider goes through: counted, recognized, and spoiled on purpose.

In this order: counted, stalled, held to the rate limit, recognized, delayed, failed; then served;
then, perhaps, its answer lost. The control routes and the shoppers meet no faults.
"""

import asyncio
import math
import random
import time
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from tools.simulator import rest_api
from tools.simulator.calls import ABOUT, refuse
from tools.simulator.clients import Client, Keys
from tools.simulator.errors import StripeError
from tools.simulator.provider import Provider
from tools.simulator.stats import SlidingPeak, Tally

CONTROL = "/_simulator"


class Gate:
    """The door of the provider. Its `admit` is a middleware."""

    def __init__(self, provider: Provider, keys: Keys, rng: random.Random) -> None:
        """Take whose present faults count, who may come in, and the source of chance."""
        self.tallies: dict[Client, Tally]
        self._provider = provider
        self._keys = keys
        self._rng = rng
        self._admitted = SlidingPeak()
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far. Requests under way end in the old tallies."""
        self.tallies = {client: Tally() for client in Client}

    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve a request, or fail it as the present faults want it."""
        if request.path.startswith(CONTROL):
            return await handler(request)
        client = self._keys.identify(request.headers.get("Authorization"))
        # Requests without a known key count as the service's: upstream was asked.
        tally = self.tallies[client if isinstance(client, Client) else Client.SERVICE]
        tally.begin(_kind(request), time.monotonic())
        status = 0
        try:
            if isinstance(client, Client):
                answer = await self._serve(request, handler, client)
            else:
                answer = _refusal(request, client)
            status = answer.status
        finally:
            tally.end(status)
            tally.read(_about(request))
        return answer

    async def _serve(
        self, request: web.Request, handler: Handler, client: Client
    ) -> web.StreamResponse:
        """Serve a request with a known key."""
        if client is Client.SHOPPER:
            return await _handle(request, handler)
        if (spoiled := await self._spoil(request)) is not None:
            return spoiled
        answer = await _handle(request, handler)
        if self._rng.random() < self._provider.faults.drop_rate and request.transport is not None:
            request.transport.abort()
        return answer

    async def _spoil(self, request: web.Request) -> web.Response | None:
        """Let the request wait as the faults want it; return an answer if it ends here."""
        if (stall := self._provider.faults.stall_seconds) > 0:
            await asyncio.sleep(stall)
        faults, now = self._provider.faults, time.monotonic()
        limit = faults.rate_limit_rps
        if limit and self._admitted.current(now) >= limit:
            return _too_many(request, self._admitted.seconds_until_free(now))
        self._admitted.arrive(now)
        delay_ms = faults.latency_ms + self._rng.random() * faults.jitter_ms
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if self._rng.random() < self._provider.faults.error_rate:
            return self._broken(request)
        return None

    def _broken(self, request: web.Request) -> web.Response:
        """Return one of the ways in which a provider fails."""
        match self._rng.choice((500, 502, 503)):
            case 502:
                # What is in front of a provider answers in HTML.
                page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
                return web.Response(status=502, text=page, content_type="text/html")
            case status:
                message = "Something went wrong on the simulator's end."
                return _refusal(request, StripeError(status, "api_error", message))


async def _handle(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the handler's answer, also where no handler was found."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        if error.status != 404:
            message = error.reason
        return _refusal(request, StripeError(error.status, "invalid_request_error", message))


def _about(request: web.Request) -> Sequence[str]:
    """Return the payments that a request is about, also where no endpoint came to say so."""
    if (about := request.get(ABOUT)) is not None:
        return about
    path = request.match_info
    return [path[name] for name in ("intent", "payment") if name in path]


def _kind(request: web.Request) -> str:
    """Return the request's method and route."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else 'unknown'}"


def _refusal(request: web.Request, error: StripeError) -> web.Response:
    """Return the refusal as the interface that was asked has it."""
    if request.path.startswith("/rest/"):
        kind = {401: "unauthorized", 404: "not_found", 429: "too_many_requests"}
        code = kind.get(error.status, "error")
        return rest_api.refuse(error.status, code, str(error.body["message"]))
    return refuse(error)


def _too_many(request: web.Request, free_in_seconds: float) -> web.Response:
    """Return a 429 that says when to come again, in whole seconds."""
    message = "Request rate limit exceeded."
    error = StripeError(429, "invalid_request_error", message, code="rate_limit")
    answer = _refusal(request, error)
    answer.headers["Retry-After"] = str(max(1, math.ceil(free_in_seconds)))
    answer.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
    return answer
