"""The simulator as a server: its parts put together, from the first to the last moment."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from tools.simulator import control_api, intents_api, objects_api, rest_api
from tools.simulator.calls import KEPT_ANSWERS, PROVIDER, KeptAnswers
from tools.simulator.clients import Keys
from tools.simulator.control_api import DELIVERIES, GATE
from tools.simulator.deliveries import Deliveries
from tools.simulator.events import EventLog
from tools.simulator.faults import Faults
from tools.simulator.gate import Gate
from tools.simulator.population import Population, populate
from tools.simulator.provider import DEFAULT_EVENTS_KEPT, Provider
from tools.simulator.sender import DEFAULT_WEBHOOK_SECRET, WebhookSender
from tools.simulator.store import DEFAULT_LIMIT, Store

log = logging.getLogger(__name__)

_MAX_BODY_BYTES = 64 * 1024
#: How long requests that are being answered may go on once the server is told to stop.
_GRACE_SECONDS = 0.5


@dataclass(frozen=True)
class Options:
    """Everything about a simulator that stays as it is while it runs, and the faults at first.

    Without `webhook_url` events are only kept. The `seed` decides every identifier and every turn
    of chance: two runs with the same one use the same identifiers, so a ledger that outlives a run
    wants another seed for the next.
    """

    seed: str
    host: str = "127.0.0.1"
    port: int = 0
    webhook_url: str | None = None
    webhook_secret: str = DEFAULT_WEBHOOK_SECRET
    webhook_concurrency: int = 16
    keys: Keys = field(default_factory=Keys)
    faults: Faults = field(default_factory=Faults)
    payments: int = 0
    max_payments: int = DEFAULT_LIMIT
    max_events: int = DEFAULT_EVENTS_KEPT


async def serve(options: Options, stop: asyncio.Event, ready: Callable[[str, int], None]) -> None:
    """Serve until `stop` is set. Calls `ready` with host and port once requests are answered.

    Raise OSError if the port is taken.
    """
    loop = asyncio.get_running_loop()
    provider = Provider(
        seed=options.seed,
        later=loop.call_later,
        faults=options.faults,
        store=Store(options.max_payments),
        events=EventLog(options.max_events),
    )
    if options.payments:
        for _ in populate(provider, Population(count=options.payments)):
            pass
    async with AsyncExitStack() as stack:
        deliveries = await _connect(options, provider, stop, stack)
        runner = web.AppRunner(
            _make_app(options, provider, deliveries),
            access_log=None,
            shutdown_timeout=_GRACE_SECONDS,
            # A request whose client has gone needs no answer, stalled ones least of all.
            handler_cancellation=True,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, options.host, options.port).start()
        host, port = runner.addresses[0][:2]
        log.info("simulator.started host=%s port=%d", host, port)
        ready(host, port)
        await stop.wait()
    log.info("simulator.stopped")


async def _connect(
    options: Options, provider: Provider, stop: asyncio.Event, stack: AsyncExitStack
) -> Deliveries:
    """Return the deliveries, already running if there is a receiver."""
    send = None
    if options.webhook_url is not None:
        sender = WebhookSender(
            options.webhook_url, options.webhook_secret, concurrency=options.webhook_concurrency
        )
        send = (await stack.enter_async_context(sender)).send
    deliveries = Deliveries(
        send,
        lambda: provider.faults,
        _chance(options, "webhooks"),
        concurrency=options.webhook_concurrency,
    )
    provider.announce = deliveries.submit
    running = asyncio.create_task(deliveries.run())
    # It ends by itself only if something in it is broken, which must not go unseen.
    running.add_done_callback(lambda _: stop.set())

    async def end() -> None:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    stack.push_async_callback(end)
    return deliveries


def _chance(options: Options, purpose: str) -> random.Random:
    """Return the source of chance for one purpose, so that one does not disturb another."""
    return random.Random(f"{options.seed}:{purpose}")


def _make_app(options: Options, provider: Provider, deliveries: Deliveries) -> web.Application:
    """Return the application with all routes behind the gate."""
    gate = Gate(provider, options.keys, _chance(options, "faults"))

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.admit(request, handler)

    app = web.Application(middlewares=[admit], client_max_size=_MAX_BODY_BYTES)
    app[PROVIDER], app[GATE], app[DELIVERIES] = provider, gate, deliveries
    app[KEPT_ANSWERS] = KeptAnswers()
    for module in (intents_api, objects_api, rest_api, control_api):
        app.add_routes(module.routes())
    return app
