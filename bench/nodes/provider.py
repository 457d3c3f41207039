"""A provider that takes 50 ms, and then says of each payment the state that the ledger has."""

import time
from collections.abc import Mapping, Sequence

from bench import provider
from coordinator.errors import CoordinatorError
from coordinator.payments.providers import Found


class LedgerProvider(provider.BenchProvider):
    """Keeps up with changes of state, which nothing here tells the provider of."""

    def fetch(self, upstream_id: str) -> Found:
        """Return the payment."""
        return self._fetch([upstream_id])[upstream_id]

    def fetch_many(self, upstream_ids: Sequence[str]) -> Mapping[str, Found | CoordinatorError]:
        """Return the payments."""
        return self._fetch(upstream_ids)

    def _fetch(self, upstream_ids: Sequence[str]) -> dict[str, Found]:
        # Providers are named in the settings: models are there only afterwards.
        from coordinator.payments.models import Payment

        time.sleep(provider.SLOW_SECONDS)
        rows = Payment.objects.filter(upstream_id__in=upstream_ids).values_list(
            "upstream_id", "state"
        )
        return {upstream_id: provider.found(upstream_id, state) for upstream_id, state in rows}
