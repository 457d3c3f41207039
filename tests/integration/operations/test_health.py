"""Probes, as orchestrators and strangers send them, to a site whose servers come and go."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from coordinator.operations.health import warmth
from coordinator.operations.health.warmth import Gate, Warmth
from coordinator.operations.metrics import feeding
from coordinator.settings import base
from tests.databases import default_database
from tests.processes import HOST, free_port
from tests.servers import MemcachedServer, RedisServer
from tests.support.clocks import ManualClock
from tests.support.metrics import shown
from tests.support.payments import record
from tests.support.settling import settle
from tests.support.threads import Running

ELSEWHERE: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7"}
TOKEN = "a-token-of-this-deployment"


def ask(path: str, *, client: Client | None = None, **meta: Any) -> Any:
    """Send a probe, from this machine unless `meta` says otherwise."""
    return (client or Client()).get(path, **meta)


def checks() -> dict[str, Any]:
    """Return the checks of the report, as an operator on this machine sees them."""
    found: dict[str, Any] = ask("/readyz").json()["checks"]
    return found


@pytest.fixture(autouse=True)
def no_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which breakers other tests of this process have opened."""
    monkeypatch.setattr(feeding, "_breakers", {})


@pytest.fixture
def no_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the ledger's database be one that is not there."""
    url = f"postgres://nobody@{HOST}:{free_port()}/nothing"
    with django_db_blocker.unblock(), default_database(base.databases(url)["default"]):
        yield


# -- alive, and ready --------------------------------------------------------------------------


def test_a_process_lives_without_asking_anybody(no_database: None, no_cache: None) -> None:
    answer = ask("/healthz", **ELSEWHERE)
    assert (answer.status_code, answer.json()) == (HTTPStatus.OK, {"status": "ok"})


def test_a_process_with_a_database_is_ready(each_ledger: str) -> None:
    answer = ask("/readyz", **ELSEWHERE)
    assert (answer.status_code, answer.json()) == (HTTPStatus.OK, {"status": "ok"})
    assert answer["Cache-Control"] == "no-store"


def test_a_process_without_a_database_is_not(no_database: None) -> None:
    answer = ask("/readyz", **ELSEWHERE)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json() == {"status": "unavailable"}
    assert checks()["database"]["error"] == "OperationalError"


def test_it_is_ready_without_cache_and_broker_and_reports_them(
    sqlite_ledger: None, no_cache: None, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = f"redis://:password@{HOST}:{free_port()}/0"
    answer = ask("/readyz")
    found = answer.json()["checks"]
    assert answer.status_code == HTTPStatus.OK
    assert [name for name, check in found.items() if not check["ok"]] == ["cache", "broker"]
    assert [name for name, check in found.items() if check["gating"]] == ["database", "warm_gate"]
    assert "password" not in answer.content.decode()


def test_with_everything_there_everything_is_well(
    sqlite_ledger: None, memcached: MemcachedServer, redis_server: RedisServer, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = redis_server.url
    settings.COORDINATOR_HEALTH_TIMEOUT_SECONDS = 10
    assert {name for name, check in checks().items() if not check["ok"]} == set()


def test_servers_that_hang_cost_a_bounded_time_and_nobody_else(
    sqlite_ledger: None, memcached: MemcachedServer, redis_server: RedisServer, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = redis_server.url
    settings.COORDINATOR_HEALTH_TIMEOUT_SECONDS = 2
    memcached.pause()
    redis_server.pause()
    try:
        # They go on only afterwards: that it answers at all is what shows the bound.
        answer = Running(lambda: ask("/readyz")).result()
    finally:
        redis_server.resume()
        memcached.resume()
    assert isinstance(answer, HttpResponse)
    found = json.loads(answer.content)["checks"]
    assert answer.status_code == HTTPStatus.OK
    assert (found["cache"]["ok"], found["broker"]["ok"]) == (False, False)
    assert found["database"]["ok"]


# -- who is told what --------------------------------------------------------------------------


def test_a_member_of_staff_is_told_the_details_from_everywhere(sqlite_ledger: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert "checks" in ask("/readyz", client=client, **ELSEWHERE).json()
    assert ask("/metrics", client=client, **ELSEWHERE).status_code == HTTPStatus.OK


def test_another_user_is_not(sqlite_ledger: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("learner"))
    assert ask("/readyz", client=client, **ELSEWHERE).json() == {"status": "ok"}
    assert ask("/metrics", client=client, **ELSEWHERE).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_whatever_name_a_probe_uses_it_is_answered(
    sqlite_ledger: None, settings: Settings, path: str
) -> None:
    settings.ALLOWED_HOSTS = ["pay.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    assert ask(path, HTTP_HOST="10.2.3.4:8000").status_code == HTTPStatus.OK
    assert ask("/api/schema/", HTTP_HOST="10.2.3.4:8000").status_code != HTTPStatus.OK


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_probe_only_asks(sqlite_ledger: None, path: str) -> None:
    assert Client().post(path).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert Client().head(path).status_code == HTTPStatus.OK


def test_metrics_are_for_this_machine(sqlite_ledger: None) -> None:
    answer = ask("/metrics")
    assert answer.status_code == HTTPStatus.OK
    assert shown(answer.content.decode(), "coordinator_ledger_up") == 1
    assert ask("/metrics", **ELSEWHERE).status_code == HTTPStatus.FORBIDDEN
    proxied = ask("/metrics", HTTP_X_FORWARDED_FOR="192.0.2.7")
    assert proxied.status_code == HTTPStatus.FORBIDDEN


def test_metrics_and_details_are_for_whoever_has_the_token(
    sqlite_ledger: None, settings: Settings
) -> None:
    settings.COORDINATOR_OPERATIONS_TOKEN = TOKEN
    refused = ask("/metrics")
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert refused["WWW-Authenticate"].startswith("Bearer")
    assert "checks" not in ask("/readyz").json()
    bearer: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}", **ELSEWHERE}
    assert ask("/metrics", **bearer).status_code == HTTPStatus.OK
    assert "checks" in ask("/readyz", **bearer).json()


# -- the warm-up gate --------------------------------------------------------------------------


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Gate:
    """Let this process have just begun, and wait a minute for nine of ten to be warm."""
    settings.COORDINATOR_READY_WARM_SECONDS = 60
    settings.COORDINATOR_READY_WARM_SHARE = 0.9
    new = Gate()
    monkeypatch.setattr(warmth, "GATE", new)
    return new


def status() -> int:
    code: int = ask("/readyz", **ELSEWHERE).status_code
    return code


@pytest.mark.usefixtures("sqlite_ledger", "each_cache")
def test_a_new_process_is_ready_when_what_is_open_is_warm(gate: Gate) -> None:
    for number in range(5):
        record("processing", at=1, number=f"EDX-{number}")
    # Nobody waits for what is over.
    record("succeeded", at=1, number="EDX-OVER", amount_received=1000)
    assert warmth.measure() == Warmth(looked_at=5, warm=0)
    assert status() == HTTPStatus.SERVICE_UNAVAILABLE
    settle()
    assert warmth.measure() == Warmth(looked_at=5, warm=5)
    assert status() == HTTPStatus.OK
    # Once open it stays so: a cold payment is no reason to send everybody away.
    record("processing", at=1, number="EDX-LATER")
    assert status() == HTTPStatus.OK


@pytest.mark.usefixtures("sqlite_ledger")
def test_it_waits_no_longer_than_it_is_told(manual_clock: ManualClock) -> None:
    gate = Gate()
    record("processing", at=1)
    manual_clock.moved += 59
    assert not gate.is_open(share=0.9, seconds=60)
    manual_clock.moved += 2
    assert gate.is_open(share=0.9, seconds=60)


@pytest.mark.usefixtures("sqlite_ledger", "no_cache")
def test_it_does_not_wait_for_a_cache_that_is_not_there(gate: Gate) -> None:
    record("processing", at=1)
    assert status() == HTTPStatus.OK


@pytest.mark.usefixtures("sqlite_ledger")
def test_where_nothing_is_open_there_is_nothing_to_wait_for(gate: Gate) -> None:
    assert warmth.measure().share == 1
    assert status() == HTTPStatus.OK


@pytest.mark.usefixtures("sqlite_ledger")
def test_without_the_setting_nobody_waits() -> None:
    record("processing", at=1)
    assert status() == HTTPStatus.OK


@pytest.mark.usefixtures("no_database")
def test_without_a_database_the_gate_stays_closed(gate: Gate) -> None:
    assert status() == HTTPStatus.SERVICE_UNAVAILABLE
