"""What can be done on the status page: it is said first, done once, and written down."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from coordinator.celery import host
from coordinator.core import cache, switches
from coordinator.core.resource import Loaded, Resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.operations.models import Intervention
from coordinator.payments.models import Payment
from coordinator.warmer import switching
from coordinator.warmer.models import Finding, Switch
from tests.integration.status.test_pages import abandon
from tests.support.payments import record
from tests.support.settling import settle, settle_again
from tests.support.upstream import OWNER, Upstream

THING = {"resource": "payment", "identifier": "EDX-1"}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def do(client: Client, action: str, **data: object) -> str:
    """Do it, and return the page that says what came of it."""
    answer = client.post(f"/status/do/{action}/", {"reason": "because", **data}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_action_says_what_it_will_do_and_does_nothing_yet(
    client: Client, upstream: Upstream
) -> None:
    record("succeeded", at=1)
    answer = client.get("/status/do/warm/", THING)
    assert b"Loads it from upstream if no usable entry is in the cache" in answer.content
    assert upstream.calls == []
    assert not Intervention.objects.exists()


def test_what_was_done_is_written_down_with_who_and_why(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    record("succeeded", at=1)
    with caplog.at_level(logging.WARNING):
        do(client, "warm", **THING, reason="  a user asked  ")
    row = Intervention.objects.get()
    assert (row.by, row.action, row.target, row.reason, row.result) == (
        "ada",
        "warm",
        "payment.EDX-1",
        "a user asked",
        "payment.EDX-1: warmed.",
    )
    (logged,) = [one for one in caplog.records if one.message == "staff.acted"]
    assert (logged.by, logged.reason, logged.target) == ("ada", "a user asked", "payment.EDX-1")  # type: ignore[attr-defined]
    assert b"a user asked" in client.get("/status/done/").content


def test_an_action_that_fails_is_written_down_with_its_failure(
    client: Client, upstream: Upstream
) -> None:
    record("succeeded", at=1)
    upstream.always_fails("EDX-1", CoordinatorError("secret detail"))
    assert "It failed: error." in do(client, "warm", **THING)
    assert Intervention.objects.get().result == "It failed: error."


def test_warming_now_loads_what_is_cold_and_leaves_alone_what_is_warm(
    client: Client, upstream: Upstream
) -> None:
    record("succeeded", at=1)
    assert "payment.EDX-1: warmed." in do(client, "warm", **THING)
    assert "payment.EDX-1: already." in do(client, "warm", **THING)
    assert upstream.calls == ["EDX-1"]


def test_settling_now_lets_what_waits_be_due(client: Client, upstream: Upstream) -> None:
    upstream.fails_once("EDX-1", CoordinatorError(retry_after_seconds=600))
    record("succeeded", at=1)
    settle()
    assert Change.objects.get().next_attempt_at > timezone.now() + timedelta(seconds=300)
    assert "1 waiting changes of payment.EDX-1 are due now" in do(client, "settle", **THING)
    settle()
    assert Change.objects.get().outcome == "warmed"


def test_verifying_now_finds_repairs_and_keeps_a_mismatch(
    client: Client, upstream: Upstream
) -> None:
    record("succeeded", at=1)
    settle()
    Payment.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    assert "payment.EDX-1: match." in do(client, "verify", **THING)
    upstream.says(
        "EDX-1", Loaded(b'{"number":"EDX-1","state":"succeeded","amount":2}', "succeeded", OWNER)
    )
    cache.clear_request_tier()
    assert "payment.EDX-1: mismatch: amount, repaired." in do(client, "verify", **THING)
    assert Finding.objects.get().repaired


def test_what_has_just_changed_is_not_verified(client: Client, upstream: Upstream) -> None:
    record("succeeded", at=1)
    settle()
    upstream.calls.clear()
    assert "payment.EDX-1: skipped." in do(client, "verify", **THING)
    assert upstream.calls == []


def test_what_upstream_says_is_shown_and_kept_nowhere(client: Client) -> None:
    record("succeeded", at=1)
    shown = do(client, "ask", **THING)
    assert "Upstream answered with" in shown
    assert "EDX-1" in shown
    assert "{" not in Intervention.objects.get().result


# -- switches ----------------------------------------------------------------------------------


def test_warming_is_paused_with_reason_and_end_and_goes_on_by_itself(client: Client) -> None:
    shown = do(client, "switch", switch="warming", position="paused", minutes="15")
    assert "warming is paused until" in shown
    assert switches.warming_paused()
    kept = Switch.objects.get()
    assert (kept.changed_by, kept.reason) == ("ada", "because")
    assert kept.until is not None
    assert "because" in client.get("/status/").content.decode()
    Switch.objects.update(until=timezone.now() - timedelta(seconds=1))
    # As the beat does every few seconds.
    switching.publish()
    assert not switches.warming_paused()


def test_reads_bypass_the_cache_until_they_are_thrown_back(client: Client) -> None:
    do(client, "switch", switch="reads", position="bypass", minutes="")
    switches.forget()
    assert switches.reads_bypass()
    assert Switch.objects.get().until is None
    do(client, "switch", switch="reads", position="cache")
    assert not switches.reads_bypass()


def test_a_thrown_switch_is_on_every_page(client: Client) -> None:
    do(client, "switch", switch="warming", position="paused", minutes="60")
    for page in ("/status/", "/status/work/", "/status/help/"):
        assert ">Warming</a>" in client.get(page).content.decode()


@pytest.mark.parametrize(
    "data",
    [
        {"switch": "none", "position": "on"},
        {"switch": "warming", "position": "off"},
        {"switch": "warming"},
    ],
)
def test_a_switch_that_does_not_exist_is_not_found(client: Client, data: dict[str, str]) -> None:
    assert client.post("/status/do/switch/", {**data, "reason": "because"}).status_code == 404
    assert not Intervention.objects.exists()


def test_an_end_that_is_not_offered_throws_nothing(client: Client) -> None:
    do(client, "switch", switch="warming", position="paused", minutes="7")
    assert not Switch.objects.exists()


# -- trying again ------------------------------------------------------------------------------


@pytest.fixture
def given_up(upstream: Upstream) -> list[Change]:
    """Have three changes abandoned, two of them for one reason."""
    return [
        abandon(upstream, "EDX-1", "upstream_timeout"),
        abandon(upstream, "EDX-2", "upstream_timeout"),
        abandon(upstream, "EDX-3", "too large & odd"),
    ]


def still_abandoned() -> set[str]:
    found = Change.objects.filter(outcome="abandoned")
    return set(found.values_list("identifier", flat=True))


def test_one_is_tried_again_and_becomes_warm(
    client: Client, given_up: list[Change], upstream: Upstream
) -> None:
    upstream.agrees("EDX-1")
    assert "1 put back into the queue" in do(client, "retry", id=[given_up[0].pk])
    assert still_abandoned() == {"EDX-2", "EDX-3"}
    settle_again()
    assert Change.objects.get(pk=given_up[0].pk).outcome == "warmed"


def test_all_with_one_reason_are_tried_again(client: Client, given_up: list[Change]) -> None:
    said = client.get("/status/do/retry/", {"because": "upstream_timeout"}).content.decode()
    assert "Puts 2 abandoned changes with the reason “upstream_timeout”" in said
    do(client, "retry", because="upstream_timeout")
    assert still_abandoned() == {"EDX-3"}


def test_the_page_offers_each_reason_as_it_is(client: Client, given_up: list[Change]) -> None:
    page = client.get("/status/abandoned/").content.decode()
    assert "?because=too%20large%20%26%20odd" in page


def test_all_are_tried_again_for_those_who_say_so(client: Client, given_up: list[Change]) -> None:
    assert "Puts 3 abandoned changes back" in (
        client.get("/status/do/retry/", {"all": "yes"}).content.decode()
    )
    do(client, "retry", all="yes")
    assert still_abandoned() == set()


def test_choosing_nothing_does_nothing(client: Client, given_up: list[Change]) -> None:
    assert b"No change is chosen" in client.get("/status/do/retry/").content
    assert client.post("/status/do/retry/", {"reason": "because"}).status_code == 400
    assert len(still_abandoned()) == 3


def test_what_is_not_abandoned_is_not_put_back(client: Client) -> None:
    record("succeeded", at=1)
    settle()
    warmed = Change.objects.get()
    assert client.get("/status/do/retry/", {"id": warmed.pk}).status_code == 200
    assert (
        client.post("/status/do/retry/", {"id": warmed.pk, "reason": "because"}).status_code == 400
    )
    assert Change.objects.get().outcome == "warmed"


def test_verifying_a_sample_is_a_workers_task(
    client: Client, monkeypatch: pytest.MonkeyPatch, payments: Resource
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(host, "task", lambda name: Sent(sent, name))
    assert "A worker verifies a sample now" in do(client, "verify-sample")
    assert sent == ["verify_now"]


class Sent:
    """A task that notes that it was sent."""

    def __init__(self, sent: list[str], name: str) -> None:
        self._sent, self._name = sent, name

    def apply_async(self, **_: object) -> None:
        """Note it."""
        self._sent.append(self._name)
