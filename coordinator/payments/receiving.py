"""Takes an event of the provider into the ledger: one way in for webhooks and for reconciling.

What an event doesn't tell is asked upstream first, never while a row is locked.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from coordinator import (
    Change,
    Event,
    Loaded,
    Recorded,
    Recording,
    Standing,
    UnknownIdentifier,
    record_change,
)
from coordinator.core import clock
from coordinator.errors import CoordinatorError
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.payments.providers import Found, Ignored, ProviderEvent
from coordinator.payments.serving import loaded
from coordinator.upstream.errors import UpstreamNotFound

logger = logging.getLogger(__name__)


class NotShownYet(CoordinatorError):
    """Upstream's reads do not show yet what its event says: send it again shortly."""

    retry_after_seconds = 1.0


def receive(event: ProviderEvent, *, correlation_id: str = "") -> Recorded | Ignored:
    """Record `event`; return once it is committed, or why there is nothing to record.

    Raise CoordinatorError if it can't be recorded now, so that the sender sends it again: nothing
    is lost. An event about a payment that no event told us of (a dispute names only the provider's
    id) is completed from upstream, which also says whether the payment is ours at all.
    """
    if not event.needs_fetch:
        try:
            return _record(event, correlation_id)
        except UnknownIdentifier:
            logger.info("event.incomplete", extra=_fields(event))
    elif (known := _known(event)) is not None:
        return known
    return _complete(event, correlation_id)


def _complete(event: ProviderEvent, correlation_id: str) -> Recorded | Ignored:
    """Fetch what `event` doesn't tell, and record that as what the event says.

    What was fetched is at least as new as what the ledger held before: it applies whatever the
    event's time is. If another change came meanwhile, their order is upstream's to confirm.
    """
    row = Payment.objects.filter(upstream_id=event.upstream_id).only("revision").first()
    revision = 0 if row is None else row.revision
    began = clock.current().now()
    try:
        found = providers.current().fetch(event.upstream_id)
    except UpstreamNotFound:
        return Ignored("unknown_upstream", event.event_type, event.event_id)
    if found.number is None:
        return Ignored("not_ours", event.event_type, event.event_id)
    if _lags(event, found, began):
        raise NotShownYet
    read = Event(
        event_id=event.event_id,
        event_type=event.event_type,
        number=found.number,
        upstream_id=event.upstream_id,
        occurred_at=event.occurred_at,
        content={"provider": providers.current().name, **found.observation.content},
        expected_revision=revision,
        correlation_id=correlation_id,
        read_at=datetime.fromtimestamp(began, UTC),
        subjects=found.observation.subjects,
        carried=partial(_carried, found),
    )
    recorded = record_change(Payment, read)
    if recorded.outcome is Recording.OUT_OF_DATE:
        return record_change(Payment, replace(read, expected_revision=None))
    return recorded


def _lags(event: ProviderEvent, found: Found, asked_at: float) -> bool:
    """Return True if what was fetched is from before the event, as far as that can be told.

    It may also be from after it, and show what came next: an event that is older than any lag is
    completed by whatever upstream says.
    """
    if event.shown_in is None or event.occurred_at is None or event.shown_in(found):
        return False
    age_seconds = asked_at - event.occurred_at.timestamp()
    return age_seconds < float(settings.COORDINATOR_LAG_SECONDS)


def _known(event: ProviderEvent) -> Recorded | None:
    """Return what `record_change` would say of an event told before: not worth a fetch."""
    change = Change.objects.filter(event_id=event.event_id).first()
    if change is None:
        return None
    return Recorded(Recording.DUPLICATE, change.identifier, change.revision)


def _record(event: ProviderEvent, correlation_id: str) -> Recorded:
    whole = event.whole
    return record_change(
        Payment,
        Event(
            event_id=event.event_id,
            event_type=event.event_type,
            number=event.number,
            upstream_id=event.upstream_id,
            occurred_at=event.occurred_at,
            content={"provider": providers.current().name, **event.content},
            correlation_id=correlation_id,
            subject=event.subject,
            place=event.place,
            carried=None if whole is None else partial(_carried, whole),
        ),
    )


def _carried(found: Found, number: str, standing: Standing) -> Loaded:
    """Be the carrier of what was fetched, or told whole."""
    return loaded(number, found, standing)


def _fields(event: ProviderEvent) -> dict[str, object]:
    return {"event_id": event.event_id, "event_type": event.event_type}
