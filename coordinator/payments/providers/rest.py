"""A payment service with a plain REST interface: flat JSON, a bearer token, a read of many at once.

Which of its fields and statuses are which of ours is said by settings (``COORDINATOR_REST_*``), so
that a service of this kind needs no code. What it has to offer:

* ``GET <path>/<id>`` gives one payment as a JSON object;
* ``GET <path>?ids=<id>,<id>`` gives ``{"data": [...]}`` with those of them that exist;
* ``GET <path>?updated_since=<time>&after=<cursor>`` gives ``{"data": [...], "next": <cursor>}``,
  oldest change first, ``next`` null at the end;
* webhooks as https://www.standardwebhooks.com says, whose ``data`` is the payment.

Amounts are integers in minor units, times are ISO 8601, ``version`` grows with every change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar
from urllib.parse import quote

import msgspec
from django.conf import settings
from msgspec import Meta

from coordinator.errors import CoordinatorError
from coordinator.payments.providers import standard_webhooks
from coordinator.payments.providers.base import (
    Found,
    Ignored,
    MalformedEvent,
    ProviderEvent,
)
from coordinator.payments.providers.rest_objects import (
    NAME,
    describe,
    event_of,
    field,
    understand,
)
from coordinator.upstream.client import UpstreamClient, client_for
from coordinator.upstream.errors import UpstreamBadAnswer, UpstreamNotFound

T = TypeVar("T")

#: Identifiers in one bulk read: an address has to stay shorter than servers cut it off.
BULK: Final = 100


class _Page(msgspec.Struct, frozen=True):
    data: list[dict[str, object]] = []
    next: str | None = None


class _Event(msgspec.Struct, frozen=True):
    type: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,100}\Z")]
    data: dict[str, object]


class RestProvider:
    """The provider ``rest``; settings ``COORDINATOR_REST_*``."""

    name = NAME

    def __init__(self) -> None:
        """Offer the bulk read; what a service can't do is no attribute of its provider."""
        self.fetch_many: (
            Callable[[Sequence[str]], Mapping[str, Found | CoordinatorError]] | None
        ) = self._fetch_many

    def fetch(self, upstream_id: str) -> Found:
        """Return what the service says of one payment; raise UpstreamError if it can't tell."""
        target = f"{settings.COORDINATOR_REST_PATH}/{quote(upstream_id, safe='')}"
        answer = self._client.request("GET", target, headers=_headers())
        payment = understand(_decode(answer.body, dict[str, object]))
        if payment.id != upstream_id:
            raise UpstreamBadAnswer("another payment than the one asked for")
        return describe(payment)

    def list_changed(self, since: datetime) -> Iterator[ProviderEvent]:
        """Yield what the service changed at or after `since`, one event for each version."""
        query = {"updated_since": since.astimezone(UTC).isoformat()}
        while True:
            page = self._page(query)
            for item in page.data:
                try:
                    yield event_of(understand(item), "payment.changed")
                except CoordinatorError:
                    # One that can't be understood mustn't hide the ones after it.
                    continue
            if page.next is None:
                return
            query["after"] = page.next

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | Ignored:
        """Return the event in `body`; raise WebhookRefused, a bad signature before all else."""
        secrets = settings.COORDINATOR_REST_WEBHOOK_SECRETS
        tolerance = settings.COORDINATOR_REST_WEBHOOK_TOLERANCE_SECONDS
        event_id = standard_webhooks.verify(body, headers, secrets, tolerance)
        try:
            event = msgspec.json.decode(body, type=_Event)
            payment = understand(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UpstreamBadAnswer):
            raise MalformedEvent from None
        if not payment.number:
            return Ignored("not_ours", event.type, event_id)
        return event_of(payment, event.type, whole=settings.COORDINATOR_REST_WEBHOOK_IS_WHOLE)

    @property
    def _client(self) -> UpstreamClient:
        return client_for(settings.COORDINATOR_REST_BASE_URL)

    def _fetch_many(self, upstream_ids: Sequence[str]) -> Mapping[str, Found | CoordinatorError]:
        found: dict[str, Found | CoordinatorError] = {}
        for start in range(0, len(upstream_ids), BULK):
            asked = upstream_ids[start : start + BULK]
            try:
                page = self._page({"ids": ",".join(asked)})
            except CoordinatorError as error:
                found |= dict.fromkeys(asked, error)
                continue
            found |= dict.fromkeys(asked, UpstreamNotFound("left out of the bulk answer"))
            for item in page.data:
                try:
                    payment = understand(item)
                    found[payment.id] = describe(payment)
                except CoordinatorError as error:
                    # Whose it is can't be told for sure; the name it carries is the best guess.
                    found[str(item.get(field("id"), ""))] = error
        return found

    def _page(self, query: Mapping[str, str]) -> _Page:
        answer = self._client.request(
            "GET", settings.COORDINATOR_REST_PATH, query=query, headers=_headers()
        )
        return _decode(answer.body, _Page)


def _decode(body: bytes, kind: type[T]) -> T:
    """Return the typed part of an answer; raise UpstreamBadAnswer if it hasn't that form."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamBadAnswer("not of the declared form") from None


def _headers() -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Authorization": f"Bearer {settings.COORDINATOR_REST_TOKEN}",
    }
