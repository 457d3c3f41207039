"""Takes an event of the provider into the ledger: one way in for webhooks and for reconciling.

What an event doesn't tell is asked upstream first, never while a row is locked.
"""

import logging

from coordinator.ledger.models import Change
from coordinator.ledger.recording import (
    Event,
    Recorded,
    Recording,
    UnknownIdentifier,
    record_change,
)
from coordinator.payments import providers
from coordinator.payments.models import Payment
from coordinator.payments.providers import Ignored, ProviderEvent
from coordinator.upstream.errors import UpstreamNotFound

logger = logging.getLogger(__name__)


def receive(event: ProviderEvent, *, correlation_id: str = "") -> Recorded | Ignored:
    """Record `event`; return once it is committed, or why there is nothing to record.

    Raise CoordinatorError if it can't be recorded now, so that the sender sends it again: nothing
    is lost. An event about a payment that nobody told us of (a dispute names only the provider's
    id) is completed from upstream, which also says whether the payment is ours at all.
    """
    if not event.needs_fetch:
        try:
            return _record(event, correlation_id)
        except UnknownIdentifier:
            logger.info("event.incomplete", extra=_fields(event))
    elif (known := _known(event)) is not None:
        return known
    try:
        found = providers.current().fetch(event.upstream_id)
    except UpstreamNotFound:
        return Ignored("unknown_upstream", event.event_type, event.event_id)
    if found.number is None:
        return Ignored("not_ours", event.event_type, event.event_id)
    return _record(event.completed_by(found), correlation_id)


def _known(event: ProviderEvent) -> Recorded | None:
    """Return what `record_change` would say of an event told before: not worth a fetch."""
    change = Change.objects.filter(event_id=event.event_id).first()
    if change is None:
        return None
    return Recorded(Recording.DUPLICATE, change.identifier, change.revision)


def _record(event: ProviderEvent, correlation_id: str) -> Recorded:
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
        ),
    )


def _fields(event: ProviderEvent) -> dict[str, object]:
    return {"event_id": event.event_id, "event_type": event.event_type}
