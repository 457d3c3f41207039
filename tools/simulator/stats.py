"""What was asked of the simulator, counted exactly: the evidence for every claim about load.

The service and the shoppers are counted apart, each in a `Tally`: how much upstream gets to do
must not depend on how busy the shoppers are who make its payments.
"""

from collections import Counter, deque
from collections.abc import Collection
from typing import Any

#: Payments counted one by one; those beyond only count in the totals.
MAX_COUNTED_PAYMENTS = 200_000
_BUSIEST = 20


class SlidingPeak:
    """The largest number of arrivals within any one second, wherever that second begins."""

    def __init__(self) -> None:
        """Start at 0."""
        self.peak = 0
        self._arrivals: deque[float] = deque()

    def arrive(self, now: float) -> int:
        """Count an arrival at `now`, in seconds, never going back; return how many that makes."""
        self._arrivals.append(now)
        current = self.current(now)
        self.peak = max(self.peak, current)
        return current

    def current(self, now: float) -> int:
        """Return how many arrived within the second that ends at `now`."""
        while self._arrivals and self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        return len(self._arrivals)

    def seconds_until_free(self, now: float) -> float:
        """Return how long until the oldest of the last second's arrivals no longer counts."""
        return max(0.0, self._arrivals[0] + 1.0 - now) if self._arrivals else 0.0


class Tally:
    """The requests of one kind of client."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.requests = 0
        self.payments_read = 0
        self.concurrent = 0
        self.concurrent_peak = 0
        self._rate = SlidingPeak()
        self._kinds: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._payments: Counter[str] = Counter()

    def begin(self, kind: str, now: float) -> None:
        """Count a request of this kind, such as "GET /v1/charges/{id}", that arrived at `now`."""
        self.requests += 1
        self.concurrent += 1
        self.concurrent_peak = max(self.concurrent_peak, self.concurrent)
        self._kinds[kind] += 1
        self._rate.arrive(now)

    def end(self, status: int) -> None:
        """Count its answer; 0 stands for none, as the connection was closed."""
        self.concurrent -= 1
        self._statuses[status] += 1

    def read(self, payment_ids: Collection[str]) -> None:
        """Count that a request was about these payments, each as often as it is named."""
        self.payments_read += len(payment_ids)
        for payment_id in payment_ids:
            if payment_id in self._payments or len(self._payments) < MAX_COUNTED_PAYMENTS:
                self._payments[payment_id] += 1

    def requests_about(self, payment_id: str) -> int:
        """Return how many requests were about this payment."""
        return self._payments[payment_id]

    def summary(self) -> dict[str, Any]:
        """Return everything counted as plain JSON data."""
        return {
            "requests": self.requests,
            "peak_rps": self._rate.peak,
            "concurrent": self.concurrent,
            "concurrent_peak": self.concurrent_peak,
            "by_kind": dict(sorted(self._kinds.items())),
            "by_status": {str(status): count for status, count in sorted(self._statuses.items())},
            "payments_read": self.payments_read,
            "distinct_payments": len(self._payments),
            "busiest_payments": dict(self._payments.most_common(_BUSIEST)),
        }
