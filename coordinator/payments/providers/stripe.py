"""Stripe: its API through its own library, with the API version pinned.

The calls go over the coordinator's own HTTP client (pool, timeouts, retries, budget), which the
library takes as its transport. Each payment is one request; a second one only where something was
refunded more often than one page holds, or disputed. Everything is a GET, so trying again is safe.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import stripe
from django.conf import settings

from coordinator.errors import CoordinatorError
from coordinator.payments.providers import stripe_webhooks
from coordinator.payments.providers.base import (
    Found,
    Ignored,
    ProviderEvent,
    WebhookRefused,
)
from coordinator.payments.providers.stripe_description import NAME, describe
from coordinator.payments.providers.stripe_events import TABLE, Handled
from coordinator.payments.providers.stripe_http import StripeTransport, translated
from coordinator.payments.providers.stripe_objects import (
    ChargeObject,
    DisputeObject,
    EventObject,
    IntentObject,
    Page,
    RefundObject,
)
from coordinator.upstream.answers import wrong_field
from coordinator.upstream.errors import UpstreamBadAnswer

T = TypeVar("T")

PAGE_SIZE = 100
_LONGEST_STRETCH = timedelta(hours=1)
# Stripe tells times in whole seconds.
_SHORTEST_STRETCH = timedelta(seconds=1)


class StripeProvider:
    """The provider ``stripe``; settings ``STRIPE_*``."""

    name = NAME
    #: Stripe has no read of many PaymentIntents by id.
    fetch_many: Callable[[Sequence[str]], Mapping[str, Found | CoordinatorError]] | None = None

    @cached_property
    def _client(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            settings.STRIPE_API_KEY,
            stripe_version=settings.STRIPE_API_VERSION,
            base_addresses={"api": settings.STRIPE_API_BASE},
            # The transport retries, within the time of the whole call.
            max_network_retries=0,
            http_client=StripeTransport(),
        )

    def fetch(self, upstream_id: str) -> Found:
        """Return what Stripe says of a PaymentIntent now; raise UpstreamError if it can't tell."""
        with translated():
            answer = self._client.v1.payment_intents.retrieve(
                upstream_id, {"expand": ["latest_charge", "latest_charge.refunds"]}
            )
        intent = _decode(answer, IntentObject)
        if intent.id != upstream_id:
            raise UpstreamBadAnswer("another payment than the one asked for")
        if intent.livemode != settings.STRIPE_LIVEMODE:
            raise UpstreamBadAnswer("livemode")
        charge = intent.charge()
        return describe(intent, self._refunds(intent, charge), self._disputes(intent, charge))

    def list_changed(self, since: datetime) -> Iterator[ProviderEvent]:
        """Yield the events that Stripe made at or after `since`, which it keeps for 30 days.

        Stripe lists the newest first. So it is asked for stretches of time that hold a page each,
        and no more than a page is in memory, but for a second that holds more.
        """
        start, end = since.replace(microsecond=0), datetime.now(UTC)
        length = _LONGEST_STRETCH
        while start <= end:
            until = start + length
            page = self._events(start, until)
            events: Sequence[EventObject] = page.data
            if page.has_more and length > _SHORTEST_STRETCH:
                # What came is the newest end of it: as much time holds a page elsewhere as well.
                oldest = datetime.fromtimestamp(page.data[-1].created, UTC)
                length = max(_SHORTEST_STRETCH, min(until - oldest, length / 2))
                length = timedelta(seconds=int(length.total_seconds()))
                continue
            if page.has_more:
                events = list(self._all_events(start, until))
            elif len(events) < PAGE_SIZE / 2:
                length = min(_LONGEST_STRETCH, length * 2)
            for event in reversed(events):
                try:
                    meaning = stripe_webhooks.interpret(event)
                except WebhookRefused:
                    # One that can't be understood mustn't hide the ones after it. Its payment is
                    # right again at its next event, or when `verify` samples it.
                    continue
                if not isinstance(meaning, Ignored):
                    yield meaning
            start = until

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | Ignored:
        """Return the event in `body`; raise WebhookRefused, a bad signature before all else."""
        stripe_webhooks.verify(
            body,
            headers.get("stripe-signature", ""),
            settings.STRIPE_WEBHOOK_SECRETS,
            settings.STRIPE_WEBHOOK_TOLERANCE_SECONDS,
        )
        return stripe_webhooks.parse(body)

    def _refunds(self, intent: IntentObject, charge: ChargeObject | None) -> Sequence[RefundObject]:
        if charge is None:
            return ()
        if charge.refunds is not None and not charge.refunds.has_more:
            return charge.refunds.data
        return list(_pages(self._client.v1.refunds.list, RefundObject, payment_intent=intent.id))

    def _disputes(
        self, intent: IntentObject, charge: ChargeObject | None
    ) -> Sequence[DisputeObject]:
        if charge is None or not charge.disputed:
            return ()
        return list(_pages(self._client.v1.disputes.list, DisputeObject, payment_intent=intent.id))

    def _events(self, since: datetime, until: datetime) -> Page[EventObject]:
        """Return the newest of the events of this stretch of time, as many as fit on a page."""
        return _page(self._client.v1.events.list, EventObject, **_handled(since, until))

    def _all_events(self, since: datetime, until: datetime) -> Iterator[EventObject]:
        return _pages(self._client.v1.events.list, EventObject, **_handled(since, until))


def _handled(since: datetime, until: datetime) -> dict[str, object]:
    """Return the parameters that ask for the events which we handle."""
    return {
        "types": [name for name, rule in TABLE.items() if isinstance(rule, Handled)],
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
    }


# Any: the library types each list call by its own parameters.
def _pages(call: Any, kind: type[T], **params: object) -> Iterator[T]:
    """Yield every object of a list, page by page, as it is asked for."""
    asked = params
    while True:
        page = _page(call, kind, **asked)
        yield from page.data
        if not (page.has_more and page.data):
            return
        last = page.data[-1]
        asked = {**params, "starting_after": last.id}  # type: ignore[attr-defined]  # all have ids


def _page(call: Any, kind: type[T], **params: object) -> Page[T]:
    """Return one page of a list."""
    with translated():
        answer = call({**params, "limit": PAGE_SIZE})
    return _decode(answer, Page[kind])  # type: ignore[valid-type]  # the type is a value here


def _decode(answer: Any, kind: type[T]) -> T:
    """Return the typed part of an answer; raise UpstreamBadAnswer if it hasn't that form."""
    try:
        return msgspec.json.decode(answer.last_response.body, type=kind)
    except msgspec.MsgspecError as error:
        where = wrong_field(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise UpstreamBadAnswer(where) from None
