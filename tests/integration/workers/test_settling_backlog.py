"""A backlog of any size is settled a page at a time, and no more than a page is held in memory."""

import weakref
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models.signals import post_init
from django.utils import timezone
from pytest_django import Settings

from coordinator.ledger import queue
from coordinator.ledger.models import Change
from coordinator.payments.models import Payment
from tests.support.payments import moment
from tests.support.settling import settle, states
from tests.support.upstream import OWNER, Upstream

PAGE = 500
PAYMENTS = 50
REVISIONS = 200


class Held:
    """Counts the changes that are in memory, and the most that there were at once."""

    def __init__(self) -> None:
        # By identity: a change equals another object of the same row.
        self.now: weakref.WeakValueDictionary[int, Change] = weakref.WeakValueDictionary()
        self.most = 0

    def take(self, instance: Change, **_: object) -> None:
        self.now[id(instance)] = instance
        self.most = max(self.most, len(self.now))


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    post_init.connect(held.take, sender=Change)
    yield held
    post_init.disconnect(held.take, sender=Change)


def log_a_backlog() -> None:
    """Record all at once what nobody has settled: some payments, many revisions of each."""
    Payment.objects.bulk_create(
        Payment(
            number=f"EDX-{number}",
            upstream_id=f"pi_{number}",
            state="processing",
            revision=REVISIONS,
            provider="test",
            lms_user_id=OWNER,
            amount=1000,
            currency="usd",
            intent_status="processing",
        )
        for number in range(PAYMENTS)
    )
    since = timezone.now() - timedelta(hours=1)
    Change.objects.bulk_create(
        (
            Change(
                resource="payment",
                identifier=f"EDX-{number}",
                revision=revision,
                state="processing",
                event_id=f"evt_{number}_{revision}",
                event_type="test",
                occurred_at=moment(revision),
                recorded_at=since,
                next_attempt_at=since,
                suspended=True,
            )
            for revision in range(1, REVISIONS + 1)
            for number in range(PAYMENTS)
        ),
        batch_size=1000,
    )


@pytest.mark.usefixtures("each_ledger")
def test_a_backlog_is_settled_a_page_at_a_time_and_no_more_than_a_page_is_held(
    upstream: Upstream, settings: Settings, held: Held
) -> None:
    settings.COORDINATOR_SETTLE_PAGE = PAGE
    log_a_backlog()
    held.most = 0

    pages = 0
    while settle().claimed:
        pages += 1

    assert pages == PAYMENTS * REVISIONS / PAGE
    assert states() == {"superseded": PAYMENTS * (REVISIONS - 1), "warmed": PAYMENTS}
    assert queue.backlog().unsettled == 0
    assert PAGE <= held.most <= PAGE + 1
    assert len(upstream.calls) == PAYMENTS, "only what is newest is loaded"
