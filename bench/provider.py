"""A provider that answers at once, or after 50 ms for payments whose id says so; also in bulk."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bench.things import OWNER, STATE
from coordinator.errors import CoordinatorError
from coordinator.ledger.recording import Observation
from coordinator.payments.payload import PaymentDetails
from coordinator.payments.providers import Found, Ignored, ProviderEvent

SLOW_SECONDS = 0.05
_FILLER = "x" * 250

#: Counts the requests of this process. Its next value is how many there were.
requests = itertools.count()


class BenchProvider:
    """Says of every payment that it succeeded, in about 600 bytes."""

    name = "bench"

    def fetch(self, upstream_id: str) -> Found:
        """Return the payment: one request."""
        _request(upstream_id)
        return found(upstream_id)

    def fetch_many(self, upstream_ids: Sequence[str]) -> Mapping[str, Found | CoordinatorError]:
        """Return the payments: one request, however many."""
        _request(upstream_ids[0])
        return {upstream_id: found(upstream_id) for upstream_id in upstream_ids}

    def list_changed(self, since: datetime) -> Iterator[ProviderEvent]:  # noqa: ARG002  # the seam
        """Yield nothing: the bench records each change itself."""
        return iter(())

    def parse_webhook(
        self,
        body: bytes,  # noqa: ARG002  # the seam
        headers: Mapping[str, str],  # noqa: ARG002  # the seam
    ) -> ProviderEvent | Ignored:
        """Ignore it: none is sent."""
        return Ignored("measuring")


class SingleLoads(BenchProvider):
    """The same without a read in bulk: each payment is a request."""

    fetch_many = None  # type: ignore[assignment]  # as providers without one have it


def _request(upstream_id: str) -> None:
    next(requests)
    if upstream_id.startswith("slow_"):
        time.sleep(SLOW_SECONDS)


def found(upstream_id: str, state: str = STATE) -> Found:
    """Return what a provider of a payment in this state says."""
    number = upstream_id.partition("_")[2]
    details = PaymentDetails(
        number=number,
        state=state,
        amount=4200,
        amount_received=4200,
        amount_refunded=0,
        currency="usd",
        lms_user_id=OWNER,
        order_reference=_FILLER,
        provider="bench",
        provider_id=upstream_id,
        provider_status=state,
    )
    return Found(upstream_id, number, details, Observation(upstream_id))
