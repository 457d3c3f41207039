"""Reconciling records what no webhook told, once, and remembers how far it came."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coordinator.core import clock, resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.payments.providers import ProviderEvent
from coordinator.payments.resource import NAME
from coordinator.warmer import reconcile as reconciling
from coordinator.warmer.models import Watermark
from coordinator.warmer.reconcile import PAGE, Reconciled, watermark_name
from tests.support.clocks import ManualClock
from tests.support.payments import event, moment

pytestmark = pytest.mark.usefixtures("sqlite_ledger")


WATERMARK = f"reconcile {NAME}"


def reconcile() -> Reconciled:
    """Run one round of payments."""
    of = resource.get(NAME)
    assert watermark_name(of) == WATERMARK
    return reconciling.reconcile(of)


class Listing:
    """A provider of which only the listing is asked."""

    name = "test"
    fetch_many = None

    def __init__(self) -> None:
        self.events: list[ProviderEvent] = []
        self.asked_since: list[datetime] = []
        self.fails = False

    def list_changed(self, since: datetime) -> Iterator[ProviderEvent]:
        """Yield what there is."""
        self.asked_since.append(since)
        if self.fails:
            raise CoordinatorError("no list today")
        yield from self.events


def told(status: str, at: float, event_id: str) -> ProviderEvent:
    """Return what the provider lists of one event."""
    made = event(status, at=at)
    return ProviderEvent(
        event_id=event_id,
        event_type=made.event_type,
        upstream_id=made.upstream_id,
        number=made.number,
        occurred_at=moment(at),
        content=made.content,
    )


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Listing:
    """Be the provider."""
    provider = Listing()
    monkeypatch.setattr(providers, "current", lambda: provider)
    return provider


def test_an_event_that_no_webhook_told_is_recorded_once(listing: Listing) -> None:
    listing.events = [told("processing", 1, "evt_a"), told("canceled", 2, "evt_b")]
    first, second = reconcile(), reconcile()
    assert (first.seen, first.recorded, second.recorded) == (2, 2, 0)
    assert Payment.objects.get().state == "canceled"
    assert Change.objects.count() == 2


def test_the_next_round_begins_a_little_before_the_last_one(listing: Listing) -> None:
    before = timezone.now()
    reconcile()
    reconcile()
    assert before - timedelta(minutes=6) < listing.asked_since[1] <= timezone.now()
    assert listing.asked_since[1] > listing.asked_since[0]


def test_a_round_after_a_long_outage_looks_back_to_the_last_complete_one(
    listing: Listing,
) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    Watermark.objects.create(name=WATERMARK, reached_at=long_ago)
    reconcile()
    assert listing.asked_since[0] <= long_ago


def test_trouble_with_one_event_holds_back_the_watermark_and_no_other_event(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing.events = [
        # A dispute of a payment that nobody told us of has to be fetched, and can't be.
        ProviderEvent(
            event_id="evt_x",
            event_type="charge.dispute.created",
            upstream_id="pi_unknown",
            number=None,
            occurred_at=moment(1),
            needs_fetch=True,
        ),
        told("processing", 1, "evt_a"),
    ]

    def fetch(_upstream_id: str) -> SimpleNamespace:
        raise CoordinatorError("down")

    monkeypatch.setattr(Listing, "fetch", fetch, raising=False)
    monkeypatch.setattr(listing, "fetch", fetch, raising=False)
    done = reconcile()
    assert (done.recorded, done.failed) == (1, 1)
    assert not Watermark.objects.exists()


def test_a_failing_list_moves_nothing_and_the_command_says_so(listing: Listing) -> None:
    listing.fails = True
    with pytest.raises(CommandError, match="no list today"):
        call_command("coordinator_reconcile")
    assert not Watermark.objects.exists()


def test_the_command_takes_a_time_and_leaves_the_watermark(
    listing: Listing, capsys: pytest.CaptureFixture[str]
) -> None:
    listing.events = [told("processing", 1, "evt_a")]
    call_command("coordinator_reconcile", "--since", "12h")
    assert "1 events, 1 that no webhook had told" in capsys.readouterr().out
    assert timezone.now() - listing.asked_since[0] >= timedelta(hours=12)
    assert not Watermark.objects.exists()
    with pytest.raises(CommandError, match="is no time"):
        call_command("coordinator_reconcile", "--since", "yesterday")


# -- many events -------------------------------------------------------------------------------

MANY = 2 * PAGE + 50


def many(since: datetime) -> list[ProviderEvent]:
    """Return a page and more of events of a payment each, a second apart."""
    return [
        replace(
            told("processing", number, f"evt_{number}"),
            number=f"EDX-{number}",
            upstream_id=f"pi_{number}",
            occurred_at=since + timedelta(seconds=number),
        )
        for number in range(MANY)
    ]


def reached() -> datetime | None:
    """Return how far the watermark has come."""
    mark = Watermark.objects.filter(name=WATERMARK).first()
    return None if mark is None else mark.reached_at


def test_what_is_known_is_skipped_a_page_at_a_time_in_one_query(listing: Listing) -> None:
    listing.events = many(timezone.now() - timedelta(minutes=30))
    assert reconcile().recorded == MANY
    with CaptureQueriesContext(connection) as queries:
        again = reconcile()
    assert (again.seen, again.recorded) == (MANY, 0)
    asked = [one["sql"] for one in queries if "event_id" in one["sql"]]
    assert len(asked) == 3
    assert len(queries) <= 20, "and the watermark, as it goes"


def test_the_watermark_moves_as_it_goes(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    events = many(timezone.now() - timedelta(minutes=30))

    def breaks_off(_since: datetime) -> Iterator[ProviderEvent]:
        yield from events[: PAGE + 50]
        raise CoordinatorError("no more today")

    monkeypatch.setattr(listing, "list_changed", breaks_off)
    with pytest.raises(CoordinatorError, match="no more today"):
        reconcile()
    assert reached() == events[PAGE - 1].occurred_at
    assert Change.objects.count() == PAGE


def test_no_more_than_a_page_is_taken_from_the_listing_at_a_time(listing: Listing) -> None:
    taken = 0
    most_ahead = 0
    events = many(timezone.now() - timedelta(minutes=30))

    def counted(_since: datetime) -> Iterator[ProviderEvent]:
        nonlocal taken, most_ahead
        for one in events:
            taken += 1
            most_ahead = max(most_ahead, taken - Change.objects.count())
            yield one

    listing.list_changed = counted  # type: ignore[method-assign, assignment]  # it stands for a provider
    assert reconcile().recorded == MANY
    assert most_ahead <= PAGE + 1


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Let time pass when it is told to."""
    made = ManualClock()
    monkeypatch.setattr(clock, "_clock", made)
    return made


def test_a_round_whose_time_is_up_says_where_to_go_on(
    listing: Listing, by_hand: ManualClock
) -> None:
    of = resource.get(NAME)
    since = timezone.now() - timedelta(minutes=30)
    events = many(since)

    def slowly(start: datetime) -> Iterator[ProviderEvent]:
        for one in events:
            assert one.occurred_at is not None
            if one.occurred_at >= start:
                by_hand.moved += 0.2
                yield one

    listing.list_changed = slowly  # type: ignore[method-assign, assignment]  # it stands for a provider
    parts = [reconciling.reconcile_part(of, since, 20.0)]
    while (goes_on_from := parts[-1].goes_on_from) is not None:
        parts.append(reconciling.reconcile_part(of, goes_on_from, 20.0))
    assert len(parts) > 1
    assert sum(part.recorded for part in parts) == MANY
    assert reached() is not None


def test_a_failure_in_one_part_holds_back_the_watermark_in_the_next(listing: Listing) -> None:
    listing.events = many(timezone.now() - timedelta(minutes=30))
    of = resource.get(NAME)
    done = reconciling.reconcile_part(of, reconciling.begins_at(of), 20.0, held_back=True)
    assert done.recorded == MANY
    assert reached() is None


def test_a_time_ahead_of_ours_moves_the_watermark_no_further_than_now(listing: Listing) -> None:
    listing.events = [
        replace(told("processing", 1, "evt_a"), occurred_at=datetime(9999, 1, 1, tzinfo=UTC))
    ]
    reconcile()
    mark = reached()
    assert mark is not None
    assert mark <= timezone.now()
