"""A read with a remembered token takes the short way, and gets the answer of the long one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.http import HttpResponse
from pytest_django import Settings

from coordinator.core import cache, clock, resource
from coordinator.web import fast_read, token_memory
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer, nowhere
from tests.integration.payments.tokens import bearer, staff
from tests.support.clocks import ManualClock

Read = Callable[..., HttpResponse]

# Of one moment, or of one request.
CHANGING = {"Age", "Server-Timing", "X-Correlation-ID", "Cache-Status"}


@pytest.fixture
def paid(site: Site, simulator: SimulatorServer, request: pytest.FixtureRequest) -> str:
    """Return the number of a payment of user 42 that is warm."""
    number = f"EDX-{abs(hash(request.node.nodeid))}"
    site.told(simulator, simulator.pay(number))
    assert site.read(f"{number}/", staff()).status_code == 200
    token_memory.forget()
    return number


@pytest.fixture
def short_ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that were answered on the short way."""
    taken: list[str] = []
    answer = fast_read._answer

    def noting(request: Any) -> HttpResponse | None:
        found = answer(request)
        if found is not None:
            taken.append(request.path_info)
        return found

    monkeypatch.setattr(fast_read, "_answer", noting)
    return taken


@pytest.fixture
def moved() -> Iterator[ManualClock]:
    """Let the test move the time."""
    manual = ManualClock()
    previous = clock.use(manual)
    yield manual
    clock.use(previous)


def told(answer: HttpResponse) -> dict[str, Any]:
    """Return what an answer says, but for what changes from one request to the next."""
    kept = {name: value for name, value in answer.headers.items() if name not in CHANGING}
    return {"status": answer.status_code, "body": answer.content, **kept}


@pytest.mark.parametrize(
    ("number", "headers"),
    [
        ("{paid}", {}),
        ("{paid}", {"If-None-Match": "*"}),
        ("{paid}", {"If-None-Match": '"other"'}),
        ("{paid}", {"Accept": "application/json"}),
        ("EDX-404", {}),
        ("no_such_number!", {}),
    ],
)
def test_both_ways_give_the_same_answer(
    site: Site, paid: str, short_ways: list[str], number: str, headers: Mapping[str, str]
) -> None:
    path = f"{number.format(paid=paid)}/"
    mine = bearer()
    # On the long way throughout: the first of each may look closer than the second.
    site.read(path, {**mine, **headers})
    token_memory.forget()
    long = site.read(path, {**mine, **headers})
    assert short_ways == []
    short = site.read(path, {**mine, **headers})
    assert len(short_ways) == 1
    assert told(short) == told(long)
    assert set(short.headers) == set(long.headers)


def test_somebody_elses_payment_does_not_exist_on_the_short_way_either(
    site: Site, paid: str, short_ways: list[str]
) -> None:
    stranger = bearer(user_id=43)
    answers = [site.read(f"{paid}/", stranger) for _ in range(2)]
    missing = site.read("EDX-404/", stranger)
    assert len(short_ways) == 2
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[1].content == missing.content


@pytest.mark.parametrize(
    "change",
    [
        {"Cookie": "sessionid=abc"},
        {"Accept": "text/html"},
        {"Host": "elsewhere.example"},
    ],
)
def test_an_unusual_request_takes_the_long_way(
    site: Site, paid: str, short_ways: list[str], change: Mapping[str, str]
) -> None:
    mine = bearer()
    site.read(f"{paid}/", mine)
    site.read(f"{paid}/", {**mine, **change})
    assert short_ways == []


def test_a_query_another_method_and_staff_take_the_long_way(
    site: Site, paid: str, short_ways: list[str]
) -> None:
    mine, theirs = bearer(), staff()
    for _ in range(2):
        site.read(f"{paid}/", theirs)
        site.read(f"{paid}/", mine, page="1")
        site.client.head(f"/api/v1/payments/{paid}/", headers=mine)
        site.client.post(f"/api/v1/payments/{paid}/", headers=mine)
    assert short_ways == []


def test_https_is_still_insisted_on(
    site: Site, paid: str, short_ways: list[str], settings: Settings
) -> None:
    mine = bearer()
    site.read(f"{paid}/", mine)
    settings.SECURE_SSL_REDIRECT = True
    # Django's middleware reads its settings when it is made: a new site has the new ones.
    assert Site().read(f"{paid}/", mine).status_code == 301
    assert short_ways == []


def test_a_retired_account_is_refused_within_the_setting(
    site: Site, paid: str, moved: ManualClock, settings: Settings
) -> None:
    mine = bearer()
    assert site.read(f"{paid}/", mine).status_code == 200
    get_user_model().objects.update(is_active=False)
    assert site.read(f"{paid}/", mine).status_code == 200, "remembered for a while"
    moved.moved += settings.COORDINATOR_TOKEN_MEMORY_SECONDS + 1
    assert site.read(f"{paid}/", mine).status_code == 401


def test_a_token_is_never_believed_beyond_its_end(
    site: Site, paid: str, moved: ManualClock
) -> None:
    mine = bearer(exp=int(clock.current().now()) + 10)
    assert site.read(f"{paid}/", mine).status_code == 200
    token = mine["Authorization"].removeprefix("JWT ")
    assert token_memory.recall(token) is not None
    moved.moved += 10
    assert token_memory.recall(token) is None


def test_with_the_setting_at_zero_no_token_is_remembered(
    site: Site, paid: str, short_ways: list[str], settings: Settings
) -> None:
    settings.COORDINATOR_TOKEN_MEMORY_SECONDS = 0
    for _ in range(3):
        assert site.read(f"{paid}/", bearer()).status_code == 200
    assert short_ways == []


def test_a_token_that_differs_in_one_letter_is_not_the_remembered_one(
    site: Site, paid: str, short_ways: list[str]
) -> None:
    mine = bearer()
    site.read(f"{paid}/", mine)
    header = mine["Authorization"]
    for at in (-1, -40, len(header) // 2, 10):
        other = header[:at] + ("A" if header[at] != "A" else "B") + header[at:][1:]
        assert site.read(f"{paid}/", {"Authorization": other}).status_code == 401
    assert short_ways == []


def test_changed_keys_make_every_token_be_verified_again(
    site: Site, paid: str, settings: Settings
) -> None:
    mine = bearer()
    site.read(f"{paid}/", mine)
    token = mine["Authorization"].removeprefix("JWT ")
    assert token_memory.recall(token) is not None
    settings.JWT_AUTH = {**settings.JWT_AUTH}
    assert token_memory.recall(token) is None


def test_the_memory_is_bounded_and_the_oldest_tokens_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_memory, "MOST", 10)
    claims = {"exp": clock.current().now() + 3600}
    for number in range(25):
        token_memory.remember(f"token-{number}", object(), claims)
    known = [number for number in range(25) if token_memory.recall(f"token-{number}")]
    assert len(known) <= 10
    assert known == list(range(known[0], 25))


def test_a_used_up_minute_is_refused_on_the_short_way_with_the_same_document(
    site: Site, paid: str, short_ways: list[str], settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 3
    mine = bearer()
    answers = [site.read(f"{paid}/", mine) for _ in range(6)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429, 429]
    token_memory.forget()
    long = site.read(f"{paid}/", mine)
    assert (long.content, long.status_code) == (answers[-1].content, 429)
    assert long.headers["Retry-After"]
    assert set(long.headers) == set(answers[-1].headers)


def test_reads_of_one_minute_are_added_to_the_shared_counter_a_hundredth_at_a_time(
    site: Site, paid: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 1_000
    asked: list[int] = []
    real = cache.count

    def counting(key: str, by: int, timeout_seconds: float) -> int | None:
        asked.append(by)
        return real(key, by, timeout_seconds)

    monkeypatch.setattr(cache, "count", counting)
    manual = ManualClock()
    previous = clock.use(manual)
    try:
        for _ in range(101):
            assert site.read(f"{paid}/", bearer()).status_code == 200
    finally:
        clock.use(previous)
    assert asked == [1, *[10] * 10]


def test_what_goes_wrong_looks_the_same_on_both_ways(
    site: Site, paid: str, short_ways: list[str], simulator: SimulatorServer, settings: Settings
) -> None:
    number = f"{paid}-COLD"
    site.told(simulator, simulator.pay(number))
    settings.STRIPE_API_BASE = nowhere()
    mine = bearer()
    long = site.read(f"{number}/", mine)
    short = site.read(f"{number}/", mine)
    assert len(short_ways) == 1
    assert (long.status_code, long.content) == (503, short.content)

    def dead(_identifiers: object) -> Any:
        raise OperationalError

    of = resource.get("payment")
    standings = of.standings
    object.__setattr__(of, "standings", dead)
    try:
        short = site.read(f"{number}/", mine)
    finally:
        object.__setattr__(of, "standings", standings)
    assert len(short_ways) == 2
    assert (short.status_code, short.content) == (503, long.content)
