"""The recipe for payment entries: how the core learns what a payment is.

Registered under the name ``payment`` when the app is ready.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from coordinator import (
    ListedChange,
    Loaded,
    LoadResult,
    Recorded,
    Recording,
    Resource,
    Standing,
    register,
)
from coordinator.errors import CoordinatorError
from coordinator.payments import payload, providers, states
from coordinator.payments.models import Payment
from coordinator.payments.providers import ProviderEvent
from coordinator.payments.receiving import receive
from coordinator.payments.serving import loaded
from coordinator.upstream.errors import UpstreamNotFound

NAME: Final = Payment.resource_name


def load(number: str, standing: Standing) -> Loaded:
    """Return the payment's details from the provider; raise CoordinatorError if it can't tell."""
    try:
        return loaded(number, providers.current().fetch(standing.upstream_id), standing)
    except UpstreamNotFound as error:
        raise _not_found_yet(error) from error


def in_bulk(
    fetch_many: Callable[[Sequence[str]], Mapping[str, providers.Found | CoordinatorError]],
) -> Callable[[Mapping[str, Standing]], Mapping[str, LoadResult]]:
    """Return the bulk load of a provider that reads many in one request."""

    def load_many(wanted: Mapping[str, Standing]) -> Mapping[str, LoadResult]:
        found = fetch_many([standing.upstream_id for standing in wanted.values()])
        return {
            number: _result(number, answer, standing)
            for number, standing in wanted.items()
            if (answer := found.get(standing.upstream_id)) is not None
        }

    return load_many


def _result(
    number: str, answer: providers.Found | CoordinatorError, standing: Standing
) -> LoadResult:
    if isinstance(answer, UpstreamNotFound):
        return _not_found_yet(answer)
    return answer if isinstance(answer, CoordinatorError) else loaded(number, answer, standing)


def _not_found_yet(error: UpstreamNotFound) -> UpstreamNotFound:
    """Return the error for a payment that the ledger knows: one that trying again can cure.

    The ledger has it from the provider's own events. Its reads lag behind those at times, and just
    after a payment was made they say that there is none.
    """
    return UpstreamNotFound(error.detail, permanent=False)


def list_changed(since: datetime) -> Iterator[ListedChange]:
    """Yield what the provider lists of changes since then."""
    for event in providers.current().list_changed(since):
        yield ListedChange(event.event_id, partial(_record, event), event.occurred_at)


def _record(event: ProviderEvent) -> bool:
    outcome = receive(event)
    return isinstance(outcome, Recorded) and outcome.outcome is Recording.APPLIED


def register_payments() -> Resource:
    """Make payments known to the core; in bulk only where the provider reads in bulk."""
    fetch_many = providers.current().fetch_many
    return register(
        Resource.of(
            Payment,
            load=load,
            load_many=None if fetch_many is None else in_bulk(fetch_many),
            likely_states=states.LIKELY_STATES,
            schema=payload.SCHEMA,
            list_changed=list_changed,
        )
    )
