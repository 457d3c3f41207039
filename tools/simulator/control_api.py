"""/_simulator: how a developer or a test moves the provider. No key is asked for: it is no secret.

GET    /_simulator/health     is it up?
GET    /_simulator/config     the present faults
PATCH  /_simulator/config     change some of them
GET    /_simulator/stats      what was asked and sent; ?payment_intent=pi_... for single ones
DELETE /_simulator/stats      count anew
POST   /_simulator/payments   {count, ...}: payments of long ago; see population.py
POST   /_simulator/advance    {payment_intent, step?}: one step on; see steps.py
POST   /_simulator/disputes   {payment_intent, status}: a dispute, brought to that status
POST   /_simulator/resend     {event}: send an event once more
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from tools.simulator.calls import PROVIDER, refuse
from tools.simulator.clients import Client
from tools.simulator.deliveries import Deliveries
from tools.simulator.errors import SimulatorError, StripeError, invalid, missing
from tools.simulator.faults import change_faults
from tools.simulator.gate import CONTROL, Gate
from tools.simulator.payloads import show_intent
from tools.simulator.population import Population, populate
from tools.simulator.rest_api import show_flat
from tools.simulator.steps import dispute_steps, natural_step

GATE: web.AppKey[Gate] = web.AppKey("gate", Gate)
DELIVERIES: web.AppKey[Deliveries] = web.AppKey("deliveries", Deliveries)

#: Up to so many new payments are listed in the answer.
_LISTED = 1_000

Body = TypeVar("Body")
_Action = Callable[[web.Request], Awaitable[object]]


class Advance(Struct, forbid_unknown_fields=True):
    """A payment and the step it shall take, its natural one by default."""

    payment_intent: str
    step: str | None = None


class DisputeStatus(Struct, forbid_unknown_fields=True):
    """A payment and the status that its dispute shall have."""

    payment_intent: str
    status: str


class Resend(Struct, forbid_unknown_fields=True):
    """An event that shall be sent again."""

    event: str


def routes() -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        web.get(f"{CONTROL}/health", _control(health)),
        web.get(f"{CONTROL}/config", _control(show_config)),
        web.patch(f"{CONTROL}/config", _control(change_config)),
        web.get(f"{CONTROL}/stats", _control(show_stats)),
        web.delete(f"{CONTROL}/stats", _control(reset_stats)),
        web.post(f"{CONTROL}/payments", _control(make_payments)),
        web.post(f"{CONTROL}/advance", _control(advance)),
        web.post(f"{CONTROL}/disputes", _control(set_dispute)),
        web.post(f"{CONTROL}/resend", _control(resend)),
    ]


async def health(request: web.Request) -> object:
    """Say that the provider is up."""
    return {"status": "ok", "payments": len(request.app[PROVIDER].store)}


async def show_config(request: web.Request) -> object:
    """Show the present faults."""
    return request.app[PROVIDER].faults


async def change_config(request: web.Request) -> object:
    """Replace the present faults."""
    provider = request.app[PROVIDER]
    provider.faults = change_faults(provider.faults, await _read(request, dict[str, Any]))
    return provider.faults


async def show_stats(request: web.Request) -> object:
    """Show what was counted."""
    provider, tallies = request.app[PROVIDER], request.app[GATE].tallies
    service = tallies[Client.SERVICE]
    asked_for = request.query.getall("payment_intent", [])
    return {
        **service.summary(),
        "requests_per_payment": {each: service.requests_about(each) for each in asked_for},
        "shoppers": tallies[Client.SHOPPER].summary(),
        "webhooks": request.app[DELIVERIES].summary(),
        "payments": len(provider.store),
        "events": len(provider.events),
    }


async def reset_stats(request: web.Request) -> object:
    """Count anew, requests and webhooks; what is under way goes on."""
    request.app[GATE].reset()
    request.app[DELIVERIES].reset()
    return {}


async def make_payments(request: web.Request) -> object:
    """Make payments of long ago."""
    wanted = await _read(request, Population)
    listed = []
    first = last = None
    for portion in populate(request.app[PROVIDER], wanted):
        listed += portion if wanted.count <= _LISTED else []
        first, last = first or portion[0], portion[-1]
        # Other requests are served in between.
        await asyncio.sleep(0)
    return {
        "count": wanted.count,
        "first_number": first and first.number,
        "last_number": last and last.number,
        "payments": [show_flat(payment) for payment in listed],
    }


async def advance(request: web.Request) -> object:
    """Let a payment take a step."""
    provider, wanted = request.app[PROVIDER], await _read(request, Advance)
    step = wanted.step or natural_step(provider.find(wanted.payment_intent))
    return show_intent(provider.take_step(wanted.payment_intent, step), ("latest_charge",))


async def set_dispute(request: web.Request) -> object:
    """Bring a payment's dispute to a status, opening it first if there is none."""
    provider, wanted = request.app[PROVIDER], await _read(request, DisputeStatus)
    payment = provider.find(wanted.payment_intent)
    for step in dispute_steps(payment, wanted.status):
        payment = provider.take_step(payment.id, step)
    return show_flat(payment)


async def resend(request: web.Request) -> object:
    """Send an event once more."""
    wanted = await _read(request, Resend)
    if (event := request.app[PROVIDER].events.find(wanted.event)) is None:
        raise missing("event", wanted.event, "event")
    request.app[DELIVERIES].resend(event)
    return {"event": event.id}


async def _read(request: web.Request, body: type[Body]) -> Body:
    """Return the JSON body as what it shall be; raise a 400 that says what is wrong."""
    try:
        return msgspec.json.decode(await request.read(), type=body)
    except msgspec.DecodeError as error:
        raise invalid(str(error)) from None


def _control(action: _Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler that answers with what the action returns, as JSON."""

    async def handler(request: web.Request) -> web.Response:
        try:
            payload = await action(request)
        except StripeError as error:
            return refuse(error)
        except SimulatorError as error:
            return refuse(invalid(str(error)))
        return web.Response(body=msgspec.json.encode(payload), content_type="application/json")

    return handler
