"""Shoppers drive a running simulator, and an API which knows what its webhooks told it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator

import jwt
import pytest
import stripe
from aiohttp import web

from tests.integration.simulator_process import (
    ROOT,
    SECRET,
    running_simulator,
)
from tools.shoppers import (
    Plan,
    Reading,
    ReadingOutcome,
    Shoppers,
    Summary,
    token_credential,
)

JWT_SECRET = "a secret that is long enough for HS256"
BRISK = Plan(
    rate=40,
    shoppers=40,
    users=5,
    poll_seconds=0.02,
    think_seconds=0.02,
    staff=4,
    staff_reads=200,
    seed="7",
)
_STATES = {
    "payment_intent.created": "requires_payment_method",
    "payment_intent.requires_action": "requires_action",
    "payment_intent.processing": "processing",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.succeeded": "succeeded",
    "payment_intent.canceled": "canceled",
}


class Ours:
    """The least that can be told apart from our API: webhooks in, states out, to who may see."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.owners: dict[str, int] = {}
        self.connections: set[object] = set()
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve on a free port."""
        app = web.Application()
        app.router.add_post("/webhooks/stripe/", self._take)
        app.router.add_get("/api/v1/payments/{number}/", self._show)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event = stripe.Webhook.construct_event(
            await request.read(), request.headers["Stripe-Signature"], SECRET
        )
        shown = event.data.object
        if event.type in _STATES:
            number = shown.metadata["payment_number"]
            self.owners[number] = int(shown.metadata["lms_user_id"])
            self.states[number] = _STATES[event.type]
        elif event.type == "charge.refunded":
            partly = shown.amount_refunded < shown.amount
            number = shown.metadata["payment_number"]
            self.states[number] = "partially_refunded" if partly else "refunded"
        return web.Response()

    async def _show(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        token = request.headers["Authorization"].removeprefix("JWT ")
        claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], audience="coordinator")
        number = request.match_info["number"]
        if number not in self.states:
            return web.Response(status=404)
        if not claims["administrator"] and claims["user_id"] != self.owners[number]:
            return web.Response(status=404)
        return web.json_response(
            {"number": number, "state": self.states[number]},
            headers={"Cache-Status": "Coordinator; hit"},
        )


async def shop(
    plan: Plan, *, seconds: float = 3.0, until: ReadingOutcome | None = None
) -> tuple[Summary, list[Reading], Ours]:
    """Let people shop for a while, or until a reading has an outcome; say what became of it."""
    ours, stop = Ours(), asyncio.Event()
    readings: list[Reading] = []

    def before(number: str) -> str | None:
        return ours.states.get(number)

    def after(reading: Reading) -> None:
        readings.append(reading)
        if reading.outcome is until:
            stop.set()

    async with ours.running():
        options = ("--latency-ms", "0", "--follow-up-ms", "30", "--webhook-delay-ms", "20")
        webhooks = (
            "--webhook-url",
            f"{ours.url}/webhooks/stripe/",
            "--webhook-secret",
            SECRET,
        )
        with running_simulator(*options, *webhooks) as simulator:
            shoppers = Shoppers(
                simulator=simulator.url,
                api=ours.url,
                credential=token_credential(JWT_SECRET),
                plan=plan,
                on_before_read=before,
                on_read=after,
            )
            asyncio.get_running_loop().call_later(seconds, stop.set)
            summary = await asyncio.wait_for(shoppers.run(stop), seconds + 10)
            return summary, readings, ours


def test_shoppers_pay_decline_give_up_and_look_and_nothing_goes_wrong() -> None:
    summary, readings, ours = asyncio.run(shop(BRISK))
    visits = summary.visits
    assert visits.created > 30
    assert visits.finished > 10
    assert min(visits.paid, visits.declined, visits.given_up, visits.authenticated) > 0
    assert visits.checkout_failed == 0
    assert visits.impatient == 0
    assert summary.errors == 0
    assert summary.outcomes[ReadingOutcome.FOUND] > summary.outcomes[ReadingOutcome.UNKNOWN_YET] > 0
    assert summary.reads == len(readings)
    assert Counter(reading.outcome for reading in readings) == Counter(
        {outcome: count for outcome, count in summary.outcomes.items() if count}
    )
    by_staff = [reading for reading in readings if reading.reader.is_staff]
    assert len(by_staff) > 20
    assert len({reading.number for reading in by_staff}) > 5
    assert all(reading.outcome is ReadingOutcome.FOUND for reading in by_staff)
    assert len(ours.connections) <= BRISK.connections, "connections are kept and used again"


def test_a_token_says_what_was_known_before_the_request() -> None:
    _, readings, _ = asyncio.run(shop(BRISK, seconds=1.5))
    found = [reading for reading in readings if reading.outcome is ReadingOutcome.FOUND]
    assert any(reading.token == reading.state for reading in found)
    assert all(reading.token is not None for reading in found if reading.reader.is_staff)
    unknown = [reading for reading in readings if reading.outcome is ReadingOutcome.UNKNOWN_YET]
    assert unknown
    assert all(reading.token is None for reading in unknown)


def test_strangers_try_and_see_nothing() -> None:
    summary, readings, ours = asyncio.run(shop(BRISK, seconds=15, until=ReadingOutcome.CONCEALED))
    assert summary.outcomes[ReadingOutcome.CONCEALED] == 1
    spied = next(reading for reading in readings if reading.outcome is ReadingOutcome.CONCEALED)
    assert spied.status == 404
    assert spied.reader.lms_user_id != ours.owners[spied.number]


def test_whoever_finds_the_shop_full_turns_away() -> None:
    plan = Plan(rate=200, shoppers=2, staff_reads=0, seed="7")
    summary, _, _ = asyncio.run(shop(plan, seconds=1))
    assert summary.visits.created <= 2
    assert summary.visits.turned_away > 10


def test_a_hook_that_fails_ends_the_day() -> None:
    async def run() -> None:
        def fail(_: Reading) -> None:
            raise RuntimeError("the oracle is confused")

        with running_simulator("--latency-ms", "0") as simulator:
            shoppers = Shoppers(
                simulator=simulator.url,
                api="http://127.0.0.1:9",
                credential=token_credential(JWT_SECRET),
                plan=BRISK,
                on_read=fail,
            )
            await asyncio.wait_for(shoppers.run(asyncio.Event()), 10)

    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(run())
    assert group.group_contains(RuntimeError, match="the oracle is confused")


def test_the_command_runs_shoppers_and_prints_what_they_saw() -> None:
    async def run() -> tuple[int | None, bytes]:
        ours = Ours()
        async with ours.running():
            webhooks = ("--webhook-url", f"{ours.url}/webhooks/stripe/", "--webhook-secret", SECRET)
            with running_simulator("--latency-ms", "0", *webhooks) as simulator:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tools.shoppers", "--json"),
                    *("--simulator", simulator.url, "--api", ours.url),
                    *("--jwt-secret", JWT_SECRET, "--seconds", "3", "--rate", "20"),
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                )
                out, _ = await asyncio.wait_for(process.communicate(), 30)
                return process.returncode, out

    status, out = asyncio.run(run())
    assert status == 0
    shown = json.loads(out.splitlines()[-1])
    assert shown["created"] > 10
    assert shown["errors"] == 0
    assert shown["hit_ratio"] == 1.0
    assert shown["warm_read_ms_p50"] > 0
    assert shown["cold_read_ms_p50"] is None
