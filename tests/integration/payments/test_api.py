"""Reading payments: the stored bytes, with the right headers, to the right person."""

import json
import logging
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from coordinator.core import cache, keys
from coordinator.payments.models import Payment
from coordinator.payments.payload import SCHEMA, decode
from coordinator.web import token_memory
from tests.integration.payments.conftest import Site
from tests.integration.payments.simulated import SimulatorServer, nowhere
from tests.integration.payments.tokens import bearer, staff, token


@pytest.fixture
def paid(site: Site, simulator: SimulatorServer, request: pytest.FixtureRequest) -> str:
    """Return the number of a payment of user 42 that was paid, not read by anyone yet."""
    number = f"EDX-{abs(hash(request.node.nodeid))}"
    site.told(simulator, simulator.pay(number))
    simulator.forget_requests()
    return number


def cache_status(answer: Any) -> list[str]:
    """Return the parts of the Cache-Status header."""
    parts: list[str] = answer.headers["Cache-Status"].split("; ")
    return parts


# -- one payment -------------------------------------------------------------------------------


def test_the_first_read_loads_and_the_second_is_a_hit_with_the_same_bytes(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    cold = site.read(f"{paid}/", bearer())
    warm = site.read(f"{paid}/", bearer())
    assert (cold.status_code, warm.status_code) == (200, 200)
    assert cold.content == warm.content
    assert decode(warm.content).number == paid
    assert cache_status(cold)[:3] == ["Coordinator", "fwd=miss", "stored"]
    assert cache_status(warm)[:2] == ["Coordinator", "hit"]
    assert f'key="payment.{paid}.succeeded"' in cache_status(warm)
    assert simulator.requests() == 1


@pytest.mark.usefixtures("atomic_requests")
def test_with_atomic_requests_a_warm_read_is_a_hit_that_asks_no_ledger(
    each_site: Site, simulator: SimulatorServer
) -> None:
    each_site.told(simulator, simulator.pay("EDX-atomic"))
    cache.forget(keys.pointer_key("payment", "EDX-atomic"))
    each_site.read("EDX-atomic/", bearer())
    with CaptureQueriesContext(connection) as queries:
        warm = each_site.read("EDX-atomic/", bearer())
    assert cache_status(warm)[:2] == ["Coordinator", "hit"]
    assert not [query for query in queries if Payment._meta.db_table in query["sql"]]


def test_a_warm_answer_carries_the_headers_that_it_should(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    site.read(f"{paid}/", bearer())
    headers = site.read(f"{paid}/", bearer()).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "private, no-cache"
    assert set(headers["Vary"].split(", ")) >= {"Authorization", "Cookie"}
    assert re.fullmatch(r'"[0-9a-f]{24}"', headers["ETag"])
    assert re.fullmatch(r"\d+", headers["Age"])
    assert headers["Payment-Revision"] == "2"
    assert re.fullmatch(
        r'admit;dur=\d+\.\d\d, read;dur=\d+\.\d\d;desc="hit"', headers["Server-Timing"]
    )
    ttl = int(re.search(r"ttl=(\d+)", headers["Cache-Status"])[1])  # type: ignore[index]
    assert 1500 < ttl <= 1800


def test_a_warm_answer_takes_one_query_with_a_new_token_and_none_with_a_known_one(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    site.read(f"{paid}/", bearer())
    token_memory.forget()
    with CaptureQueriesContext(connection) as queries:
        assert site.read(f"{paid}/", bearer()).status_code == 200
    assert len(queries) == 1
    assert "auth_user" in queries[0]["sql"]
    with CaptureQueriesContext(connection) as queries:
        assert site.read(f"{paid}/", bearer()).status_code == 200
    assert len(queries) == 0


def test_a_reader_who_has_the_content_gets_304_until_it_changes(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    etag = site.read(f"{paid}/", bearer()).headers["ETag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = site.read(f"{paid}/", {**bearer(), "If-None-Match": sent})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert cache_status(answer)[1] == "hit"
    intent_id = decode(site.read(f"{paid}/", bearer()).content).provider_id
    simulator.shopper.v1.refunds.create({"payment_intent": intent_id, "amount": 100})
    for event in simulator.events_of(intent_id)[-2:]:
        site.deliver({**event, "created": event["created"] + 60})
    changed = site.read(f"{paid}/", {**bearer(), "If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert decode(changed.content).amount_refunded == 100


def test_head_answers_like_get_without_the_body(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    got = site.read(f"{paid}/", bearer())
    head: Any = site.client.head(f"/api/v1/payments/{paid}/", headers=bearer())
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == got.headers["ETag"]


# -- whose it is -------------------------------------------------------------------------------


def test_a_stranger_gets_byte_for_byte_what_an_unknown_number_gets_and_costs_upstream_nothing(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    unknown = site.read("EDX-0000/", bearer(43))
    cold = site.read(f"{paid}/", bearer(43))
    assert simulator.requests() == 0
    site.read(f"{paid}/", bearer(42))
    warm = site.read(f"{paid}/", bearer(43))
    assert simulator.requests() == 1
    for answer in (unknown, cold, warm):
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.content == unknown.content
        own = {"X-Correlation-ID"}
        assert {k: v for k, v in answer.headers.items() if k not in own} == {
            k: v for k, v in unknown.headers.items() if k not in own
        }


@pytest.mark.parametrize("path", ["{number}/", "{number}/events/"])
@pytest.mark.parametrize("user_id", [43, 4, 421, None, "", "042"])
def test_nobody_but_the_owner_reads(
    site: Site, simulator: SimulatorServer, paid: str, path: str, user_id: Any
) -> None:
    site.read(f"{paid}/", bearer(42))
    answer = site.read(path.format(number=paid), bearer(user_id, preferred_username="x"))
    assert answer.status_code == 404


def test_an_id_that_is_sent_as_text_is_the_same_owner(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    assert site.read(f"{paid}/", bearer("42")).status_code == 200


def test_a_payment_of_nobody_is_for_staff_alone(site: Site, simulator: SimulatorServer) -> None:
    site.told(simulator, simulator.pay("EDX-4001", owner=""))
    for user_id in ("", None, 0):
        answer = site.read("EDX-4001/", bearer(user_id, preferred_username="x"))
        assert answer.status_code == 404
    assert site.read("EDX-4001/", staff()).status_code == 200


def test_staff_read_everything_and_their_reads_are_logged(
    site: Site, simulator: SimulatorServer, paid: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="coordinator.payments.api.views")
    site.read(f"{paid}/", bearer())
    assert [r for r in caplog.records if r.message == "payment.read_by_staff"] == []
    assert site.read(f"{paid}/", staff()).status_code == 200
    site.read("", staff(), numbers=paid)
    site.read(f"{paid}/events/", staff())
    logged = [vars(r) for r in caplog.records if r.message == "payment.read_by_staff"]
    assert [each["entries"] for each in logged] == [
        f"payment.{paid}.succeeded",
        f"payment.{paid}.succeeded",
        f"payment.{paid}",
    ]
    assert logged[0]["account"] == get_user_model().objects.get(username="staff").pk


def test_a_session_of_staff_reads_and_one_of_anybody_else_owns_nothing(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    users = get_user_model().objects
    site.client.force_login(users.create_user("admin", is_staff=True))
    assert site.read(f"{paid}/", {}).status_code == 200
    site.client.force_login(users.create_user("42", pk=42))
    assert site.read(f"{paid}/", {}).status_code == 404


# -- who is let in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "JWT"},
        {"Authorization": "JWT abc"},
        {"Authorization": "JWT a.b.c"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "JWT \u00e9"},
    ],
)
def test_without_a_token_nobody_is_let_in(
    site: Site, simulator: SimulatorServer, paid: str, headers: dict[str, str]
) -> None:
    answer = site.read(f"{paid}/", headers)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("JWT")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "another-secret-that-is-long-enough-for-the-algorithm"},
        {"exp": 1},
        {"exp": None},
        {"aud": "another-service"},
        {"iss": "https://elsewhere.example.com"},
        {"preferred_username": None},
        {"version": "9.0.0"},
    ],
)
def test_a_token_that_is_not_for_us_is_refused(
    site: Site, simulator: SimulatorServer, paid: str, changes: dict[str, Any]
) -> None:
    assert site.read(f"{paid}/", bearer(42, **changes)).status_code == 401


def test_an_unsigned_token_is_refused(site: Site, simulator: SimulatorServer, paid: str) -> None:
    head, body, _ = token(42).split(".")
    for forged in (f"{head}.{body}.", "eyJhbGciOiJub25lIn0." + body + "."):
        assert site.read(f"{paid}/", {"Authorization": f"JWT {forged}"}).status_code == 401


def test_a_token_of_a_restricted_application_is_refused(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    answer = site.read(f"{paid}/", bearer(42, is_restricted=True))
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_retired_user_is_refused(site: Site, simulator: SimulatorServer, paid: str) -> None:
    site.read(f"{paid}/", bearer())
    get_user_model().objects.filter(username="learner-42").update(is_active=False)
    # As if COORDINATOR_TOKEN_MEMORY_SECONDS had passed.
    token_memory.forget()
    assert site.read(f"{paid}/", bearer()).status_code == 401


# -- several at once ---------------------------------------------------------------------------


def test_several_are_answered_from_their_stored_bytes(
    site: Site, simulator: SimulatorServer
) -> None:
    numbers = [f"EDX-500{n}" for n in range(5)]
    for number in numbers:
        site.told(simulator, simulator.pay(number))
    singles = {number: site.read(f"{number}/", bearer()).content for number in numbers}
    simulator.forget_requests()
    answer = site.read("", bearer(), numbers=",".join([*numbers, numbers[0]]))
    content = json.loads(answer.content)
    assert list(content["payments"]) == numbers
    assert content["unavailable"] == []
    for number, single in singles.items():
        assert single in answer.content
        assert content["payments"][number] == json.loads(single)
    assert simulator.requests() == 0
    assert cache_status(answer)[:2] == ["Coordinator", "hit"]
    etag = answer.headers["ETag"]
    again = site.read("", {**bearer(), "If-None-Match": etag}, numbers=",".join(numbers))
    assert again.status_code == 304


def test_what_is_not_the_callers_is_simply_absent(site: Site, simulator: SimulatorServer) -> None:
    site.told(simulator, simulator.pay("EDX-6001", owner="42"))
    site.told(simulator, simulator.pay("EDX-6002", owner="43"))
    asked = "EDX-6001,EDX-6002,EDX-nobody,EDX__6001,../x,\u00e9"
    answer = site.read("", bearer(42), numbers=asked)
    assert list(json.loads(answer.content)["payments"]) == ["EDX-6001"]
    stranger = site.read("", bearer(44), numbers=asked)
    assert json.loads(stranger.content) == {"payments": {}, "unavailable": []}
    assert list(json.loads(site.read("", staff(), numbers=asked).content)["payments"]) == [
        "EDX-6001",
        "EDX-6002",
    ]


@pytest.mark.parametrize(
    "numbers", ["", ",", "EDX-1,", "EDX-1,,EDX-2", ",".join(f"EDX-{n}" for n in range(101))]
)
def test_none_and_more_than_a_hundred_are_refused(
    site: Site, simulator: SimulatorServer, numbers: str
) -> None:
    answer = site.read("", bearer(), numbers=numbers)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_hundred_are_answered_with_one_query_for_all(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    numbers = [paid, *(f"EDX-{n}" for n in range(99))]
    site.read("", bearer(), numbers=paid)
    with CaptureQueriesContext(connection) as queries:
        assert site.read("", bearer(), numbers=",".join(numbers)).status_code == 200
    assert len(queries) <= 2


def test_what_upstream_cannot_say_now_is_named_and_spoils_nothing(
    site: Site, simulator: SimulatorServer, settings: Settings
) -> None:
    for number in ("EDX-7001", "EDX-7002"):
        site.told(simulator, simulator.pay(number))
    site.read("EDX-7001/", bearer())
    settings.STRIPE_API_BASE = nowhere()
    answer = site.read("", bearer(), numbers="EDX-7001,EDX-7002,EDX-7003")
    content = json.loads(answer.content)
    assert list(content["payments"]) == ["EDX-7001"]
    assert content["unavailable"] == ["EDX-7002"]
    alone = site.read("", bearer(), numbers="EDX-7002")
    assert alone.status_code == 503
    assert int(alone.headers["Retry-After"]) >= 1


# -- history -----------------------------------------------------------------------------------


def test_what_came_late_stands_in_the_history_with_its_reason(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-8002", card="pm_card_threeDSecure2Required")
    simulator.control("POST", "advance", {"payment_intent": intent_id})
    first, *others = (
        {**event, "created": event["created"] + place}
        for place, event in enumerate(simulator.events_of(intent_id))
    )
    for event in (*others, first):
        site.deliver(event)
    body = json.loads(site.read("EDX-8002/events/", bearer(), limit=1).content)
    shown = [(one["revision"], one["applied"], one["reason"]) for one in body["events"]]
    assert shown == [(2, False, "older than what the ledger holds of it"), (2, True, "")]
    assert body["next_before"] == 2
    rest = json.loads(site.read("EDX-8002/events/", bearer(), before=2).content)
    assert [one["revision"] for one in rest["events"]] == [1]


def test_the_history_is_what_happened_newest_first_in_pages(
    site: Site, simulator: SimulatorServer
) -> None:
    intent_id = simulator.pay("EDX-8001", card="pm_card_threeDSecure2Required")
    simulator.control("POST", "advance", {"payment_intent": intent_id})
    for place, event in enumerate(simulator.events_of(intent_id)):
        site.deliver({**event, "created": event["created"] + place})
    everything = json.loads(site.read("EDX-8001/events/", bearer()).content)
    assert everything["number"] == "EDX-8001"
    assert everything["next_before"] is None
    states = [event["state"] for event in everything["events"]]
    assert states == ["succeeded", "requires_action", "requires_confirmation"]
    assert [event["revision"] for event in everything["events"]] == [3, 2, 1]
    assert "evt_" not in json.dumps(everything)
    first = json.loads(site.read("EDX-8001/events/", bearer(), limit=2).content)
    assert [event["revision"] for event in first["events"]] == [3, 2]
    second = site.read("EDX-8001/events/", bearer(), limit=2, before=first["next_before"])
    assert [event["revision"] for event in json.loads(second.content)["events"]] == [1]
    known = {**bearer(), "If-None-Match": second.headers["ETag"]}
    assert site.read("EDX-8001/events/", known, limit=2, before=2).status_code == 304


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"before": "0"}, {"before": "٣"}]
)
def test_a_page_that_cannot_be_is_refused(
    site: Site, simulator: SimulatorServer, paid: str, query: dict[str, str]
) -> None:
    assert site.read(f"{paid}/events/", bearer(), **query).status_code == 400


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "EDX__1",
        "EDX%201",
        "EDX%00",
        "%C3%A9",
        "x" * 65,
        "..",
        "%2e%2e%2fetc",
        "a%2Fb",
        "'--",
        "%0a",
    ],
)
@pytest.mark.parametrize("after", ["/", "/events/"])
def test_hostile_identifiers_do_not_exist(
    site: Site, simulator: SimulatorServer, number: str, after: str
) -> None:
    answer: Any = site.client.get(f"/api/v1/payments/{number}{after}", headers=bearer())
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_reading_is_all_that_can_be_done(
    site: Site, simulator: SimulatorServer, paid: str, method: str
) -> None:
    answer = getattr(site.client, method)(f"/api/v1/payments/{paid}/", headers=bearer())
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "GET" in answer.headers["Allow"]


def test_whoever_wants_another_format_is_told_there_is_none(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    answer = site.read(f"{paid}/", {**bearer(), "Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert site.read(f"{paid}/", bearer(), format="xml").status_code == 200


def test_upstreams_trouble_is_a_503_that_says_when_to_try_again(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.STRIPE_API_BASE = nowhere()
    answer = site.read(f"{paid}/", bearer())
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    # The stranger learns nothing of it.
    assert site.read(f"{paid}/", bearer(43)).status_code == 404


def test_warm_entries_are_served_while_upstream_is_down(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    site.read(f"{paid}/", bearer())
    settings.STRIPE_API_BASE = nowhere()
    assert site.read(f"{paid}/", bearer()).status_code == 200


def test_a_payment_that_the_provider_does_not_know_yet_is_a_503_that_says_when_to_come_back(
    site: Site, simulator: SimulatorServer
) -> None:
    site.told(simulator, simulator.pay("EDX-9001"))
    Payment.objects.update(upstream_id="pi_gone")
    answer = site.read("EDX-9001/", bearer())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_without_a_database_the_answer_is_503(
    site: Site, simulator: SimulatorServer, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr(connections["default"], "cursor", refuse)
        answer = site.read(f"{paid}/", bearer())
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/", "/api/v1/payments/a/b/", "/nowhere"])
def test_addresses_that_nobody_declared_answer_with_a_problem_too(
    site: Site, simulator: SimulatorServer, path: str
) -> None:
    answer: Any = site.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_damaged_bytes_are_a_miss_and_nothing_of_them_is_served(
    site: Site, simulator: SimulatorServer, paid: str
) -> None:
    good = site.read(f"{paid}/", bearer()).content
    key = keys.EntryKey("payment", paid, "succeeded", SCHEMA).cache_key
    cache.put(key, b"cos\nsystem\n(S'true'\ntR.", 60)
    again = site.read(f"{paid}/", bearer())
    assert (again.status_code, again.content) == (200, good)
    assert cache_status(again)[1] == "fwd=miss"


# -- limits ------------------------------------------------------------------------------------


def test_a_users_minute_is_used_up_and_nobody_elses(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 5
    for _ in range(5):
        assert site.read(f"{paid}/", bearer()).status_code == 200
    answer = site.read(f"{paid}/", bearer())
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert site.read(f"{paid}/", bearer(43)).status_code == 404
    assert site.read(f"{paid}/", staff()).status_code == 200


def test_many_numbers_at_once_count_as_many(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 10
    assert site.read("", bearer(), numbers=",".join("abcdefgh")).status_code == 200
    assert site.read("", bearer(), numbers=",".join("abcdefgh")).status_code == 429


def test_no_limit_means_no_counter(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 0
    for _ in range(20):
        assert site.read(f"{paid}/", bearer()).status_code == 200


def test_limits_count_in_memcached_as_well(
    memcached: object, site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 3
    statuses = [site.read(f"{paid}/", bearer()).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_without_a_cache_nobody_is_refused_and_everything_is_answered(
    site: Site, simulator: SimulatorServer, paid: str, settings: Settings
) -> None:
    settings.COORDINATOR_USER_READS_PER_MINUTE = 1
    default = settings.CACHES["default"]
    settings.CACHES = {
        "default": {
            **default,
            "BACKEND": "coordinator.memcached.PyMemcacheCache",
            "LOCATION": ["127.0.0.1:9"],
            "OPTIONS": {},
        }
    }
    for _ in range(3):
        assert site.read(f"{paid}/", bearer()).status_code == 200


# -- logs --------------------------------------------------------------------------------------


def test_no_log_line_of_reading_holds_a_payload_or_a_token(
    site: Site, simulator: SimulatorServer, paid: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sent = token(42, preferred_username="new", email="learner@example.com")
    for credential in (sent, sent[:-3] + "abc"):
        site.read(f"{paid}/", {"Authorization": f"JWT {credential}"})
        site.read(f"{paid}/", {"Authorization": f"JWT {credential}"})
    lines = "\n".join(f"{r.getMessage()} {vars(r)} {r.exc_text}" for r in caplog.records)
    assert lines
    hidden = (
        sent,
        sent.split(".")[1],
        "client_secret",
        "_secret_",
        "ORDER-",
        "example.com",
    )
    for forbidden in hidden:
        assert forbidden not in lines
