"""Reconciling records what no webhook told, once, and remembers how far it came."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from coordinator.core import resource
from coordinator.errors import CoordinatorError
from coordinator.ledger.models import Change
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.payments.providers import ProviderEvent
from coordinator.payments.resource import NAME
from coordinator.warmer import reconcile as reconciling
from coordinator.warmer.models import Watermark
from coordinator.warmer.reconcile import Reconciled, watermark_name
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
        call_command("reconcile")
    assert not Watermark.objects.exists()


def test_the_command_takes_a_time_and_leaves_the_watermark(
    listing: Listing, capsys: pytest.CaptureFixture[str]
) -> None:
    listing.events = [told("processing", 1, "evt_a")]
    call_command("reconcile", "--since", "12h")
    assert "1 events, 1 that no webhook had told" in capsys.readouterr().out
    assert timezone.now() - listing.asked_since[0] >= timedelta(hours=12)
    assert not Watermark.objects.exists()
    with pytest.raises(CommandError, match="is no time"):
        call_command("reconcile", "--since", "yesterday")
