"""What the coordinator asks of a payment provider, and the values that pass between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import ClassVar, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from coordinator import WHOLE, Observation, Place
from coordinator.errors import CoordinatorError
from coordinator.payments.payload import PaymentDetails


class WebhookRefused(CoordinatorError):
    """The webhook is not accepted."""

    permanent = True
    #: The HTTP status that tells the sender so.
    status: ClassVar[int] = 400


class BadSignature(WebhookRefused):
    """The signature is missing, wrong, or older than the tolerance."""


class MalformedEvent(WebhookRefused):
    """The body is signed, but is not an event of the declared form."""


class WrongMode(WebhookRefused):
    """The event comes from live mode and this service runs in test mode, or the reverse."""


class ThinEvent(WebhookRefused):
    """Thin events carry no object: set the event destination's payload style to snapshot."""


class UnusableMetadata(WebhookRefused):
    """The payment's metadata names a number that can't be one of ours."""

    status = 422


class UnknownStatus(WebhookRefused):
    """The object's status is none that this release knows: upgrade, then have it sent again."""

    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One event of the provider, in our terms.

    ``content`` holds the columns of Payment that the event tells, and only those. ``number`` is
    None where the provider's object does not carry it. ``needs_fetch`` says that the event tells
    only *that* something changed: what it is has to be fetched before it is recorded.

    ``subject`` names the provider's object that speaks, where a payment is several of them, and
    ``place`` says if this is its first or its last word (see ``coordinator.ledger.order``). An
    event that tells the whole payment has none.

    ``whole`` is what a read of the payment would return at the time of the event, if the event
    tells all of it (nothing else having spoken): then nothing needs to be loaded.

    ``shown_in`` says whether what was fetched to complete the event shows it: reads can lag behind
    events, and one from before the event would be recorded as what the event said.
    """

    event_id: str
    event_type: str
    upstream_id: str
    number: str | None
    occurred_at: datetime | None
    content: Mapping[str, object] = field(default_factory=dict)
    needs_fetch: bool = False
    subject: str = WHOLE
    place: Place = Place.BETWEEN
    whole: "Found | None" = field(default=None, repr=False, compare=False)
    shown_in: "Callable[[Found], bool] | None" = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that is answered with thanks and not recorded; `reason` is a word for the log."""

    reason: str
    event_type: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What the provider says of one payment now.

    ``number`` is None if the payment isn't one of ours. ``observation`` is what the ledger would
    record if it turned out to be behind. ``version`` grows with the content: an answer with a lower
    one than the ledger has seen lags. None where nothing of the kind can be told.
    """

    upstream_id: str
    number: str | None
    details: PaymentDetails
    observation: Observation
    version: int | None = None


class Provider(Protocol):
    """The seam between payments and the service that moves the money.

    Every method may raise CoordinatorError; its ``permanent`` and ``retry_after_seconds`` say what
    to do. ``fetch_many`` is None where the provider has no bulk read.
    """

    name: str
    fetch_many: Callable[[Sequence[str]], Mapping[str, Found | CoordinatorError]] | None

    def fetch(self, upstream_id: str) -> Found:
        """Return what the provider says of one payment now; raise if it can't be told."""
        ...

    def list_changed(self, since: datetime) -> Iterator[ProviderEvent]:
        """Yield what changed at or after `since`, oldest first, as events to be recorded.

        Their ids are the provider's, so what a webhook has told already is a duplicate.
        """
        ...

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | Ignored:
        """Return the event in a webhook's body, or why it is ignored; raise WebhookRefused.

        The signature is checked, in constant time, before a byte of the body is parsed. `headers`
        has lower-case names.
        """
        ...


@cache
def current() -> Provider:
    """Return the provider that ``COORDINATOR_PROVIDER`` names, made once per process."""
    path = settings.COORDINATOR_PROVIDER
    try:
        made: Provider = import_string(path)()
    except ImportError as error:
        message = f"COORDINATOR_PROVIDER names {path!r}, which can't be imported: {error}"
        raise ImproperlyConfigured(message) from error
    return made


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith(("COORDINATOR_", "STRIPE_")):
        current.cache_clear()


# Tests change settings while the process runs; production never does.
setting_changed.connect(_forget, dispatch_uid="coordinator.payments.providers")
