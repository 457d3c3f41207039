"""What shoppers make of an answer, and who they say that they are."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import aiohttp
import jwt
import pytest
from aiohttp import web

from tools.shoppers import Person, Reading, ReadingOutcome, token_credential
from tools.shoppers.plan import Summary, Visits
from tools.shoppers.popular import Popular
from tools.shoppers.reading import BeforeRead, OnRead, Reader

OWNER = Person(42)
Answer = tuple[int, Mapping[str, str], bytes]


def read(
    answers: list[Answer],
    *,
    is_stranger: bool = False,
    before: BeforeRead | None = None,
    after: OnRead | None = None,
) -> tuple[list[Reading], Reader]:
    """Read one payment as often as there are answers, from a real server that gives them."""
    waiting = iter(answers)

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/payments/EDX-1/"
        assert request.headers["Authorization"] == "JWT 42"
        status, headers, body = next(waiting)
        return web.Response(status=status, headers=headers, body=body)

    async def run() -> tuple[list[Reading], Reader]:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        try:
            async with aiohttp.ClientSession() as session:
                reader = Reader(
                    session,
                    f"http://127.0.0.1:{port}/",
                    lambda person: {"Authorization": f"JWT {person.lms_user_id}"},
                    on_before_read=before,
                    on_read=after,
                )
                readings = [
                    await reader.read("EDX-1", OWNER, is_stranger=is_stranger) for _ in answers
                ]
                return readings, reader
        finally:
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, ReadingOutcome.FOUND),
        (304, {}, ReadingOutcome.FOUND),
        (404, {}, ReadingOutcome.UNKNOWN_YET),
        (429, {"Retry-After": "1"}, ReadingOutcome.THROTTLED),
        (503, {"Retry-After": "1"}, ReadingOutcome.BUSY),
        (503, {}, ReadingOutcome.FAILED),
        (500, {}, ReadingOutcome.FAILED),
        (403, {}, ReadingOutcome.FAILED),
        (302, {"Location": "/"}, ReadingOutcome.FAILED),
    ],
)
def test_an_answer_is_judged(
    status: int, headers: Mapping[str, str], outcome: ReadingOutcome
) -> None:
    readings, reader = read([(status, headers, b"")])
    assert readings[0].outcome is outcome
    assert readings[0].status == status
    assert reader.outcomes[outcome] == 1


def test_a_payment_that_was_seen_before_may_not_be_lost_again() -> None:
    readings, _ = read([(404, {}, b""), (200, {}, b"{}"), (404, {}, b"")])
    assert [reading.outcome for reading in readings] == [
        ReadingOutcome.UNKNOWN_YET,
        ReadingOutcome.FOUND,
        ReadingOutcome.LOST,
    ]


def test_a_stranger_must_find_nothing() -> None:
    readings, reader = read([(404, {}, b""), (200, {}, b"{}")], is_stranger=True)
    assert [reading.outcome for reading in readings] == [
        ReadingOutcome.CONCEALED,
        ReadingOutcome.LEAKED,
    ]
    assert not reader.knows("EDX-1"), "what a stranger saw counts for nothing"


def test_nobody_listening_is_unreachable_and_not_an_exception() -> None:
    async def run() -> Reading:
        async with aiohttp.ClientSession() as session:
            reader = Reader(session, "http://127.0.0.1:9", lambda _: {})
            return await reader.read("EDX-1", OWNER)

    reading = asyncio.run(run())
    assert (reading.status, reading.outcome) == (0, ReadingOutcome.UNREACHABLE)


def test_hooks_see_every_reading_with_their_token_async_or_not() -> None:
    seen: list[Reading] = []

    async def before(number: str) -> str:
        await asyncio.sleep(0)
        return f"token of {number}"

    read([(200, {}, b'{"state": "succeeded"}')], before=before, after=seen.append)
    assert [(each.token, each.state) for each in seen] == [("token of EDX-1", "succeeded")]
    assert seen[0].seconds > 0
    assert seen[0].body_bytes == b'{"state": "succeeded"}'


@pytest.mark.parametrize(
    ("header", "is_hit"),
    [
        ('Coordinator; hit; ttl=3; key="payment.EDX-1.succeeded"', True),
        ("Coordinator;hit", True),
        ("Coordinator; fwd=miss; stored", False),
        ('Coordinator; fwd=miss; key="hit"', False),
        ("", False),
    ],
)
def test_a_hit_is_what_cache_status_says(header: str, is_hit: bool) -> None:
    readings, _ = read([(200, {"Cache-Status": header}, b"{}")])
    assert readings[0].is_hit is is_hit


@pytest.mark.parametrize("body", [b"", b"not json", b'{"state": 5}', b"[]"])
def test_a_body_without_a_state_shows_none(body: bytes) -> None:
    readings, _ = read([(200, {}, body)])
    assert readings[0].state == ""


def test_a_token_says_who_somebody_is_and_is_kept_until_it_grows_old() -> None:
    now = [1_700_000_000.0]
    credential = token_credential("secret" * 6, clock=lambda: now[0])
    headers = credential(OWNER)
    claims = jwt.decode(
        headers["Authorization"].removeprefix("JWT "),
        "secret" * 6,
        algorithms=["HS256"],
        audience="coordinator",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["user_id"], claims["administrator"]) == (42, False)
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert credential(OWNER) is headers
    assert credential(Person(42, is_staff=True)) != headers
    now[0] += 24 * 3600 - 60
    assert credential(OWNER) != headers


def test_recent_payments_are_the_popular_ones() -> None:
    popular, rng = Popular(), random.Random(1)
    assert popular.pick(rng) is None
    for number in range(1000):
        popular.touch(f"EDX-{number}")
    popular.touch("EDX-950")
    picked = Counter(popular.pick(rng) for _ in range(3000))
    assert picked["EDX-950"] > picked["EDX-990"] > picked["EDX-900"]
    assert "EDX-700" not in picked, "long forgotten"


def test_a_summary_adds_up() -> None:
    summary = Summary(
        Visits(created=3),
        {
            ReadingOutcome.FOUND: 5,
            ReadingOutcome.UNKNOWN_YET: 2,
            ReadingOutcome.LOST: 1,
            ReadingOutcome.FAILED: 1,
        },
    )
    assert (summary.reads, summary.errors) == (9, 2)
    assert summary.as_json()["created"] == 3
    assert summary.as_json()["found"] == 5
