"""Any permutation, delay and duplication of a payment's events ends in what the books say.

And without a call upstream, where the events tell all of it.
"""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from coordinator.core.find import find_entries
from coordinator.core.resource import get
from coordinator.ledger.models import UNSETTLED, Change
from coordinator.payments import providers, serving
from coordinator.payments.models import Payment
from coordinator.payments.providers import ProviderEvent
from coordinator.payments.providers.stripe import StripeProvider
from coordinator.payments.providers.stripe_webhooks import parse
from coordinator.payments.receiving import receive
from tests.support.lifecycles import EVERY_STEP, Books, Life, body_of, live, loaded
from tests.support.settling import settle_again

COLUMNS = ("intent_status", "amount", "amount_received", "amount_refunded", "currency", "dispute")

STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(EVERY_STEP)), st.sampled_from([0.0, 0.0, 1.0, 60.0])),
    max_size=8,
)
LATER = st.lists(
    st.tuples(st.sampled_from(sorted(EVERY_STEP)), st.sampled_from([1.0, 60.0])), max_size=8
)


@pytest.fixture
def books(sqlite_ledger: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Return the provider's books, which the service reads."""
    settings.COORDINATOR_LAG_SECONDS = 0
    kept = Books()
    monkeypatch.setattr(StripeProvider, "fetch", lambda _, upstream_id: kept.fetch(upstream_id))
    providers.current.cache_clear()
    return kept


def deliver(life: Life, order: Iterator[int] | list[int]) -> None:
    """Deliver the events of these places."""
    for place in order:
        event = parse(body_of(life.events[place]))
        if isinstance(event, ProviderEvent):
            receive(event)


def settle_all() -> None:
    """Settle until nothing is left."""
    for _ in range(50):
        if not Change.objects.filter(UNSETTLED).exists():
            return
        settle_again()
    raise AssertionError(list(Change.objects.filter(UNSETTLED)))


def agree(life: Life) -> None:
    """Fail unless the ledger says what the books say."""
    row = Payment.objects.filter(number=life.number).first()
    if row is None:
        return
    found = loaded(life.now)
    wanted = {column: found.observation.content[column] for column in COLUMNS}
    assert {column: getattr(row, column) for column in COLUMNS} == wanted
    assert row.state == found.details.state
    entry = find_entries(get("payment"), {life.number: row.standing()}).entries.get(life.number)
    if entry is not None:
        assert entry.payload == serving.loaded(life.number, found, row.standing()).payload


@given(data=st.data(), steps=STEPS, capture=st.sampled_from(["automatic", "manual"]))
@examples(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_of_any_lifes_events_ends_in_what_the_books_say(
    books: Books, data: st.DataObject, steps: list[tuple[str, float]], capture: str
) -> None:
    life = live(steps, capture_method=capture, began=time.time() - 600)
    books.keep(life)
    places = list(range(len(life.events)))
    order = data.draw(st.permutations(places + data.draw(st.lists(st.sampled_from(places)))))
    settled_after = data.draw(st.sets(st.integers(0, len(order)), max_size=2))
    for nth, place in enumerate(order):
        deliver(life, [place])
        if nth in settled_after:
            settle_all()
    settle_all()
    agree(life)


@given(data=st.data(), steps=LATER, capture=st.sampled_from(["automatic", "manual"]))
@examples(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_where_the_events_tell_all_no_order_of_them_needs_upstream(
    books: Books, data: st.DataObject, steps: list[tuple[str, float]], capture: str
) -> None:
    # A refund that fails is told by no total: it is fetched. And a dispute names no number.
    told = [step for step in steps if step[0] not in {"fail_refund", "finish_refund"}]
    life = live(told, capture_method=capture)
    books.keep(life)
    books.calls.clear()
    others = list(range(1, len(life.events)))
    order = [0, *data.draw(st.permutations(others + others[: data.draw(st.integers(0, 3))]))]
    deliver(life, order)
    agree(life)
    assert books.calls == []
    changes = Change.objects.filter(identifier=life.number)
    assert not changes.filter(confirm=True).exists()
