"""Entries that events carry: byte for byte what a load would bring, and only where it would."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from coordinator.core import events, pointer, switches
from coordinator.core.entry import CacheEntry
from coordinator.core.find import find_entries
from coordinator.core.read import Outcome, read
from coordinator.core.resource import Loaded, Resource, Standing, get
from coordinator.errors import CacheUnreachable
from coordinator.ledger import after_commit
from coordinator.ledger.models import Change
from coordinator.ledger.recording import record_change
from coordinator.payments import providers, serving
from coordinator.payments.models import Payment
from coordinator.payments.providers import Found, ProviderEvent, rest_objects
from coordinator.payments.providers.stripe import StripeProvider
from coordinator.payments.providers.stripe_webhooks import parse
from coordinator.payments.receiving import receive
from tests.support.lifecycles import Books, Life, body_of, courses, live, loaded
from tests.support.payments import event as plain_event
from tests.support.settling import settle
from tests.unit.payments import stripe_samples as samples
from tools.simulator.fixtures import load_fixture

pytestmark = pytest.mark.usefixtures("sqlite_ledger")

_BEGAN = 600.0
_ids = itertools.count(1)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    """Return the provider's books, which the service reads."""
    kept = Books()
    monkeypatch.setattr(StripeProvider, "fetch", lambda _, upstream_id: kept.fetch(upstream_id))
    providers.current.cache_clear()
    return kept


@pytest.fixture
def heard() -> Iterator[list[events.EntryWarmed]]:
    """Return the list of entries that were stored, or not."""
    told: list[events.EntryWarmed] = []
    unsubscribe = events.subscribe(told.append, events.EntryWarmed)
    yield told
    unsubscribe()


def recently(*steps: str, **how: Any) -> Life:
    """Return a life whose events are young enough to be carried."""
    return live([(step, 10.0) for step in steps], began=timezone.now().timestamp() - _BEGAN, **how)


def deliver(life: Life, *types: str) -> None:
    """Deliver the events of these types, or all."""
    for event in life.events:
        if not types or event.type in types:
            meaning = parse(body_of(event))
            if isinstance(meaning, ProviderEvent):
                receive(meaning)


def payments() -> Resource:
    return get("payment")


def entry_of(number: str) -> CacheEntry | None:
    """Return the entry of what the ledger says is current."""
    standing = payments().standing(number)
    assert standing is not None
    return find_entries(payments(), {number: standing}).entries.get(number)


def would_load(number: str, found: Found) -> bytes:
    standing = payments().standing(number)
    assert standing is not None
    return serving.loaded(number, found, standing).payload


# -- what is carried ---------------------------------------------------------------------------


def test_whatever_is_carried_in_any_life_is_what_a_load_would_bring(books: Books) -> None:
    carried = 0
    for name, course in courses():
        # Young enough, and the same in all else.
        life = live(course.steps, began=timezone.now().timestamp() - _BEGAN, **course.how)
        books.keep(life)
        for event in life.events:
            meaning = parse(body_of(event))
            if not isinstance(meaning, ProviderEvent):
                continue
            seen: list[events.EntryWarmed] = []
            unsubscribe = events.subscribe(seen.append, events.EntryWarmed)
            receive(meaning)
            unsubscribe()
            if any(one.stored for one in seen):
                carried += 1
                entry = entry_of(life.number)
                assert entry is not None
                at_that_moment = life.now if meaning.needs_fetch else event.payment
                expected = would_load(life.number, loaded(at_that_moment))
                assert entry.payload == expected, f"{name}: {event.type}"
    assert carried > 500


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "processing"},
        {"status": "succeeded", "amount_received": 1099},
        {"status": "canceled", "canceled_at": 1_700_000_000, "cancellation_reason": "duplicate"},
        {"last_payment_error": {"type": "card_error", "code": "x", "decline_code": "y"}},
    ],
)
def test_of_stripes_own_example_an_event_tells_what_a_read_of_it_does(
    books: Books, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = load_fixture("payment_intent") | samples_of(changes)
    event = samples.event("payment_intent.processing", intent, created=now() - 5)
    meaning = parse(json.dumps(event).encode())
    assert isinstance(meaning, ProviderEvent)
    receive(meaning)
    entry = entry_of("EDX-1001")
    assert entry is not None
    read_of_it = monkeypatch_transport(monkeypatch, intent)
    assert entry.payload == would_load("EDX-1001", read_of_it(str(intent["id"])))


def samples_of(changes: dict[str, Any]) -> dict[str, Any]:
    status = {"status": "requires_payment_method", "canceled_at": None, "last_payment_error": None}
    return {**status, "livemode": False, "metadata": samples.intent()["metadata"], **changes}


def monkeypatch_transport(
    monkeypatch: pytest.MonkeyPatch, intent: dict[str, Any]
) -> Callable[[str], Found]:
    """Return the provider's own way from an answer of Stripe's to what it says."""
    monkeypatch.undo()
    provider = StripeProvider()

    class Answer:
        """What the library hands on."""

        class last_response:  # noqa: N801  # the library's name
            body = json.dumps(intent)

    class Intents:
        def retrieve(self, *_: Any) -> Any:
            return Answer

    class Version:
        payment_intents = Intents()

    class Client:
        v1 = Version()

    provider.__dict__["_client"] = Client()
    return provider.fetch


def now() -> int:
    return int(timezone.now().timestamp())


# -- what it saves -----------------------------------------------------------------------------


def test_a_carried_change_is_warm_at_once_and_costs_upstream_nothing(books: Books) -> None:
    life = recently("pay with pm_card_visa")
    books.keep(life)
    deliver(life)
    lookup = read(payments(), life.number)
    assert lookup.outcome is Outcome.HIT
    assert not lookup.from_ledger
    settle()
    assert books.calls == []
    assert not Change.objects.filter(confirmed_at=None).exists()


def test_what_was_fetched_to_complete_an_event_is_not_loaded_again(books: Books) -> None:
    life = recently("pay with pm_card_refundFail", "refund", "fail_refund")
    books.keep(life)
    deliver(life, "payment_intent.created", "payment_intent.succeeded", "refund.failed")
    assert books.calls == [life.now.id]
    entry = entry_of(life.number)
    assert entry is not None
    assert b'"status":"failed"' in entry.payload
    settle()
    assert books.calls == [life.now.id]


def test_metrics_tell_carried_from_loaded(books: Books, heard: list[events.EntryWarmed]) -> None:
    life = recently("pay with pm_card_visa", "refund")
    books.keep(life)
    deliver(life)
    settle()
    assert [(one.cause, one.stored) for one in heard] == [
        ("carried", True),
        ("carried", True),
        ("event", True),
    ]


def test_an_entry_ages_from_when_its_event_happened(books: Books) -> None:
    life = recently()
    deliver(life)
    entry = entry_of(life.number)
    assert entry is not None
    assert entry.loaded_at == life.events[0].created


# -- what is not carried -----------------------------------------------------------------------


def test_an_intent_of_which_money_went_back_is_not_carried(books: Books) -> None:
    life = recently("pay with pm_card_visa", "refund a part")
    books.keep(life)
    deliver(life, "payment_intent.created", "charge.refunded", "payment_intent.succeeded")
    assert entry_of(life.number) is None


@pytest.mark.parametrize("step", ["capture a part", "cancel"])
def test_an_intent_of_which_an_authorisation_was_released_is_not_carried(
    books: Books, step: str
) -> None:
    life = recently("pay with pm_card_visa", step, capture_method="manual")
    books.keep(life)
    deliver(life)
    assert entry_of(life.number) is None


def test_a_tie_a_late_event_and_one_without_a_time_that_counts_are_not_carried(
    heard: list[events.EntryWarmed],
) -> None:
    def tell(status: str, at: int) -> None:
        event = samples.event(
            f"payment_intent.{status}",
            samples.intent(status=status),
            id=f"evt_{next(_ids)}",
            created=at,
        )
        meaning = parse(json.dumps(event).encode())
        assert isinstance(meaning, ProviderEvent)
        receive(meaning)

    tell("processing", now() - 10)
    heard.clear()
    tell("requires_action", now() - 20)
    tell("requires_action", int(Payment.objects.get().occurred_at.timestamp()))  # type: ignore[union-attr]
    tell("requires_action", now() + 10_000)
    assert heard == []


def test_an_event_of_long_ago_is_not_carried(books: Books) -> None:
    life = live([], began=timezone.now().timestamp() - 3600)
    deliver(life)
    assert entry_of(life.number) is None


def test_an_event_of_another_api_version_is_not_carried_as_it_came(
    settings: Settings, books: Books
) -> None:
    settings.STRIPE_API_VERSION = "2020-08-27"
    life = recently()
    books.keep(life)
    deliver(life)
    assert books.calls == [life.now.id]


def test_while_warming_is_paused_nothing_is_carried(settings: Settings) -> None:
    settings.COORDINATOR_WARMING = "paused"
    switches.forget()
    life = recently()
    deliver(life)
    switches.forget()
    assert entry_of(life.number) is None


def test_a_crash_between_commit_and_store_costs_a_load_and_nothing_else(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        """Stands for a process that dies."""

    def crash(_: object) -> None:
        raise Crash

    life = recently("pay with pm_card_visa")
    books.keep(life)
    deliver(life, "payment_intent.created")
    with monkeypatch.context() as patched:
        patched.setattr(after_commit, "carry", crash)
        with pytest.raises(Crash):
            deliver(life, "payment_intent.succeeded")
    assert Payment.objects.get().state == "succeeded"
    assert isinstance(pointer.look("payment", [life.number])[life.number], pointer.Suspended)
    settle()
    assert books.calls == [life.now.id]
    assert read(payments(), life.number).outcome is Outcome.HIT


# -- any resource ------------------------------------------------------------------------------


def test_a_writer_that_holds_the_payload_hands_it_over(heard: list[events.EntryWarmed]) -> None:
    def carried(number: str, standing: Standing) -> Loaded:
        payload = f'{{"number":"{number}","revision":{standing.revision}}}'.encode()
        return Loaded(payload, standing.state, standing.owner)

    record_change(Payment, plain_event("processing"), carried=carried)
    lookup = read(payments(), "EDX-1")
    assert lookup.outcome is Outcome.HIT
    assert lookup.entry is not None
    assert lookup.entry.payload == b'{"number":"EDX-1","revision":1}'
    assert [one.cause for one in heard] == ["carried"]


def test_a_carrier_that_fails_loses_no_event() -> None:
    def carried(_: str, __: Standing) -> Loaded:
        raise ZeroDivisionError

    record_change(Payment, plain_event("processing"), carried=carried)
    assert Payment.objects.get().revision == 1


def test_what_says_something_else_than_the_ledger_is_not_stored() -> None:
    record_change(
        Payment,
        plain_event("processing"),
        carried=lambda _, standing: Loaded(b"{}", "succeeded", standing.owner),
    )
    assert entry_of("EDX-1") is None


def test_a_cache_that_does_not_answer_leaves_the_loading_to_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object) -> None:
        raise CacheUnreachable

    monkeypatch.setattr("coordinator.core.cache.add", unreachable)
    life = recently()
    deliver(life)
    assert Payment.objects.get().revision == 1


@pytest.mark.parametrize("whole", [True, False])
def test_a_plain_rest_services_webhook_is_carried_if_settings_say_that_it_is_whole(
    settings: Settings, whole: bool
) -> None:
    settings.COORDINATOR_PROVIDER = "coordinator.payments.providers.rest.RestProvider"
    at = timezone.now().isoformat()
    flat = {"id": "p1", "number": "EDX-1", "amount_minor": 100, "currency": "usd"}
    payment = rest_objects.understand(
        {**flat, "status": "processing", "version": 1, "updated_at": at}
    )
    receive(rest_objects.event_of(payment, "payment.changed", whole=whole))
    entry = entry_of("EDX-1")
    assert (entry is not None) is whole
    if entry is not None:
        assert entry.payload == would_load("EDX-1", rest_objects.describe(payment))
